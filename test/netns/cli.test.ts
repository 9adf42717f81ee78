import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HelperProcess } from '../rig/helper-process.ts';
import { fetchText, pageUrl } from '../rig/measure.ts';
import { PeerNetwork } from '../rig/peer-network.ts';
import { pageText } from '../rig/peer-site.ts';
import { CommandFailed, run } from '../rig/run.ts';

const main = fileURLToPath(new URL('../../app/cli/main.ts', import.meta.url));

let peer: PeerNetwork;
let helper: HelperProcess;
let directory: string;
let confFile: string;
let privateKey: string;

beforeAll(async () => {
  peer = await PeerNetwork.start();
  helper = await HelperProcess.start();
  directory = await mkdtemp(join(tmpdir(), 'sallyport-cli-'));
  confFile = join(directory, 'office.conf');
  const conf = await peer.clientConf({});
  privateKey = /PrivateKey *= *(\S+)/.exec(conf.text)?.[1] ?? '';
  await writeFile(confFile, conf.text);
});

afterAll(async () => {
  await helper.stop();
  await peer.stop();
  await rm(directory, { recursive: true });
});

function sallyport(...words: string[]): Promise<string> {
  return run(process.execPath, [main, ...words], {
    env: { ...process.env, SALLYPORT_ENDPOINT: helper.endpoint },
  });
}

async function failure(...words: string[]): Promise<CommandFailed> {
  try {
    await sallyport(...words);
  } catch (error) {
    if (error instanceof CommandFailed) return error;
    throw error;
  }
  throw new Error(`sallyport ${words.join(' ')} did not fail.`);
}

describe('the command line and the real helper', () => {
  test('carry a .conf file to packets in a tunnel and back', async () => {
    expect(await sallyport('import', confFile)).toContain('Imported “office”');
    expect(await sallyport('list')).toMatch(/office +disconnected/);
    expect(await sallyport('connect', 'off')).toContain('“office” is connected.');
    expect((await fetchText(pageUrl(peer.site.tunnel.v4))).trimEnd()).toBe(pageText);
    expect(await sallyport('status', 'office')).toMatch(/^office +connected +for /);
    const shown = await sallyport('show', 'office');
    expect(shown).toMatch(/Handshake +\d+ s ago/);
    expect(shown + (await sallyport('show', 'office', '--json'))).not.toContain(privateKey);
    expect(await sallyport('disconnect')).toContain('“office” is disconnected.');
    expect(await sallyport('rename', 'office', 'work')).toContain('to “work”');
    expect(await sallyport('remove', 'work')).toContain('Removed “work”');
    expect(await sallyport('list')).toContain('There are no tunnels.');
  });

  test('[L9] print the registrations that the log names at each lookup', async () => {
    const line = /Found 1 \(0 active\) registrations for org\.sallyport\.helper\.wireguard \(packet-tunnel\)/;
    expect(await sallyport('extension', 'list')).toMatch(line);
    expect(await sallyport('log', '--level', 'debug', '-n', '2000')).toContain('registrations for');
  });

  test('[L2] a peer that does not answer: connect ends with 5, the session goes on until disconnect', async () => {
    const silent = (await peer.clientConf({})).text.replace(/^Endpoint.*$/m, 'Endpoint = 192.0.2.1:9');
    await writeFile(join(directory, 'silent.conf'), silent);
    await sallyport('import', join(directory, 'silent.conf'));
    const error = await failure('connect', 'silent', '--wait', '1');
    expect(error).toMatchObject({ result: { code: 5 } });
    expect(await sallyport('status', 'silent')).toMatch(/silent +connecting/);
    await sallyport('disconnect', 'silent');
    expect(await sallyport('status', 'silent')).toMatch(/silent +disconnected/);
    await sallyport('remove', 'silent');
  });
});
