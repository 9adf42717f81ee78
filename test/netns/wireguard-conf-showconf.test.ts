import fc from 'fast-check';
import { rm, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { anyConf } from '@sallyport/shared/formats/wireguard-conf/arbitrary.ts';
import type { WireGuardConf } from '@sallyport/shared/formats/wireguard-conf/conf.ts';
import { formatWireGuardConf } from '@sallyport/shared/formats/wireguard-conf/format.ts';
import { parseWireGuardConf } from '@sallyport/shared/formats/wireguard-conf/parse.ts';
import { seeds } from '../fuzz/wireguard-conf-corpus.ts';
import { requireForeignPeer, type RunningPeer } from '../rig/foreign-peer.ts';
import { run } from '../rig/run.ts';

const namespace = 'showconf';
const device = 'wg-showconf';
/** In the private `/run`. */
const file = '/run/wg-showconf.conf';
let peer: RunningPeer;

beforeAll(async () => {
  const implementation = await requireForeignPeer();
  await run('ip', ['netns', 'add', namespace]);
  peer = await implementation.start(namespace, device);
});
afterAll(async () => {
  await peer[Symbol.asyncDispose]();
  await rm(file);
  await run('ip', ['netns', 'delete', namespace]);
});

const wg = (...args: readonly string[]): Promise<string> =>
  run('ip', ['netns', 'exec', namespace, 'wg', ...args]);

/** A device keeps a private key in the form in which Curve25519 uses it (RFC 7748, 5). */
function clamped(privateKey: string): string {
  const bytes = Buffer.from(privateKey, 'base64');
  bytes.writeUInt8(bytes.readUInt8(0) & 0xf8, 0);
  bytes.writeUInt8((bytes.readUInt8(31) & 0x7f) | 0x40, 31);
  return bytes.toString('base64');
}

/** What a device knows of a configuration: no keys of wg-quick's, no names, no order. */
function known(conf: WireGuardConf): WireGuardConf {
  const { privateKey, fwmark, listenPort } = conf.interface;
  const peers = conf.peers.map((item) => ({
    ...item,
    allowedIPs: [...item.allowedIPs].sort(),
    endpoint: item.endpoint !== null && isIP(item.endpoint.host) === 0 ? null : item.endpoint,
  }));
  return {
    interface: {
      privateKey: clamped(privateKey),
      addresses: [],
      dns: { servers: [], searchDomains: [] },
      mtu: null,
      table: 'auto',
      fwmark,
      // A port must be given, since the device would show the one that it took by itself.
      listenPort: listenPort ?? 51820,
    },
    peers: peers.sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1)),
  };
}

/** Gives a configuration to the device and reads back what the device says that it has. */
async function throughDevice(conf: WireGuardConf): Promise<WireGuardConf> {
  await writeFile(file, formatWireGuardConf(conf), { mode: 0o600 });
  await wg('setconf', device, file);
  const shown = await wg('showconf', device);
  return known(parseWireGuardConf(new TextEncoder().encode(shown), { fileName: 'showconf' }));
}

describe('a WireGuard device', () => {
  test.each(seeds)('takes $name and shows the same with showconf', async ({ name, bytes }) => {
    const conf = known(parseWireGuardConf(bytes, { fileName: name, dropScripts: true }));
    expect(await throughDevice(conf)).toEqual(conf);
  });

  test('takes 30 configurations made at random and shows the same with showconf', async () => {
    await fc.assert(
      fc.asyncProperty(anyConf.map(known), async (conf) => {
        expect(await throughDevice(conf)).toEqual(conf);
      }),
      { numRuns: 30, endOnFailure: true },
    );
  });
});
