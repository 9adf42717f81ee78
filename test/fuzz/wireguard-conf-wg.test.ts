import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FormatError } from '@sallyport/shared/formats/format-error.ts';
import type { ParsedWireGuardConf } from '@sallyport/shared/formats/wireguard-conf/conf.ts';
import { formatWireGuardConf } from '@sallyport/shared/formats/wireguard-conf/format.ts';
import { parseWireGuardConf } from '@sallyport/shared/formats/wireguard-conf/parse.ts';
import { MissingPrerequisite } from '../rig/missing-prerequisite.ts';
import { CommandFailed, findProgram, run } from '../rig/run.ts';
import { mutate, Random } from './mutator.ts';
import { mutationContext, seeds } from './wireguard-conf-corpus.ts';

/**
 * What our parser takes, the real tools must take in the same sense.
 *
 * `wg-quick strip` takes away what is wg-quick's own, and `wg setconf` reads the rest before it looks for the device:
 * for a device that does not exist, "Unable to modify interface" means that the file was understood.
 */
describe('wg-quick and wg', () => {
  const device = `none-${randomBytes(5).toString('hex')}`;
  let folder = '';
  let tools = { wg: '', wgQuick: '' };

  beforeAll(async () => {
    const [wg, wgQuick] = await Promise.all([findProgram('wg'), findProgram('wg-quick')]);
    if (wg === null || wgQuick === null) {
      throw new MissingPrerequisite('wg and wg-quick are missing: apt-get install wireguard-tools.');
    }
    tools = { wg, wgQuick };
    folder = await mkdtemp(join(tmpdir(), 'wireguard-conf-'));
  });

  afterAll(async () => {
    if (folder !== '') await rm(folder, { recursive: true });
  });

  /** The file without wg-quick's keys, once `wg` has understood it. */
  async function strip(bytes: Uint8Array): Promise<Uint8Array> {
    const path = join(folder, 'strip.conf');
    await writeFile(path, bytes, { mode: 0o600 });
    const stripped = await run(tools.wgQuick, ['strip', path]);
    await writeFile(path, stripped);
    const answer = await run(tools.wg, ['setconf', device, path]).catch((error: unknown) => {
      if (error instanceof CommandFailed) return error.result.stderr;
      throw error;
    });
    expect(answer).toContain('Unable to modify interface');
    return new TextEncoder().encode(stripped);
  }

  async function check(bytes: Uint8Array, conf: ParsedWireGuardConf): Promise<void> {
    const stripped = parseWireGuardConf(await strip(bytes), { fileName: 'strip.conf' });
    const { privateKey, fwmark, listenPort } = conf.interface;
    const dns = { servers: [], searchDomains: [] };
    const kept = { privateKey, fwmark, listenPort, addresses: [], dns, mtu: null, table: 'auto' };
    expect(stripped).toEqual({ interface: kept, peers: conf.peers, droppedLines: [] });
  }

  /** Names would be asked for, and the tools do not know a byte-order mark. */
  function isForTools(bytes: Uint8Array, conf: ParsedWireGuardConf): boolean {
    return (
      bytes[0] !== 0xef && conf.peers.every(({ endpoint }) => endpoint === null || isIP(endpoint.host) !== 0)
    );
  }

  function accepted(bytes: Uint8Array): ParsedWireGuardConf | null {
    try {
      return parseWireGuardConf(bytes, { fileName: 'fuzz.conf', dropScripts: true });
    } catch (error) {
      if (error instanceof FormatError) return null;
      throw error;
    }
  }

  it('understand the seeds, and what we write of them, as we do', async () => {
    let checked = 0;
    for (const { bytes } of seeds) {
      const conf = accepted(bytes);
      if (conf === null || !isForTools(bytes, conf)) continue;
      await check(bytes, conf);
      await check(new TextEncoder().encode(formatWireGuardConf(conf)), conf);
      checked += 1;
    }
    expect(checked).toBeGreaterThanOrEqual(4);
  });

  it('understand 150 mutations that we take as we do', async () => {
    const random = new Random(20_260_102);
    const seen = new Set<string>();
    while (seen.size < 150) {
      const bytes = mutate(random.pick(mutationContext.seeds), random, mutationContext);
      const conf = accepted(bytes);
      if (conf === null || !isForTools(bytes, conf)) continue;
      const text = formatWireGuardConf(conf);
      if (seen.has(text)) continue;
      seen.add(text);
      await check(bytes, conf);
    }
  }, 120_000);

  it('refuse what is not theirs, so that the test above means something', async () => {
    const text = '[Interface]\nMUT = 1420\n';
    await expect(strip(new TextEncoder().encode(text))).rejects.toThrow('Line unrecognized: `MUT=1420');
  });
});
