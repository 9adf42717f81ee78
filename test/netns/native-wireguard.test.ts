import { createSocket } from 'node:dgram';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { native } from '../../helper/native/load.ts';
import { ping } from '../rig/measure.ts';
import { PeerNetwork } from '../rig/peer-network.ts';
import { run, succeeds } from '../rig/run.ts';
import { waitUntil } from '../rig/wait.ts';
import {
  clientConfig,
  ipv4Packet,
  KeyDirectory,
  NativeDevice,
  rawSend,
  withPrefixes,
} from './native-device.ts';

let network: PeerNetwork;
let keys: KeyDirectory;
beforeAll(async () => {
  network = await PeerNetwork.start();
  keys = await KeyDirectory.make();
});
afterAll(async () => {
  await keys[Symbol.asyncDispose]();
  await network.stop();
});

/** Connects as a new client of the rig's peer. */
async function connect(
  host?: string,
  presharedKey = false,
  extra: { fwmark?: number } = {},
): Promise<NativeDevice> {
  const conf = await network.clientConf({ presharedKey });
  const config = await clientConfig(network, conf, keys, host);
  return NativeDevice.start('sp-test', { ...config, ...extra }, withPrefixes(conf));
}

async function send(to: number, ...datagrams: readonly Buffer[]): Promise<void> {
  const socket = createSocket('udp4');
  for (const datagram of datagrams) {
    await new Promise<void>((resolve) => {
      socket.send(datagram, to, '127.0.0.1', () => {
        resolve();
      });
    });
  }
  socket.close();
}

describe('a WireGuard device and a foreign peer', () => {
  test.each([
    ['IPv4', 'v4', false],
    ['IPv6 with a preshared key', 'v6', true],
  ] as const)('talk over %s', async (_, cable, presharedKey) => {
    await network.restartWireGuard();
    const begin = performance.now();
    using client = await connect(network.site.underlay.peer[cable], presharedKey);
    await client.event('handshake');
    expect(performance.now() - begin).toBeLessThan(1000);
    for (const host of [network.site.tunnel.v4, network.site.tunnel.v6]) {
      expect((await ping(host, 3)).received).toBe(3);
    }
    const { peers, dropped } = client.device.statistics();
    expect(peers).toHaveLength(1);
    expect(peers[0]?.publicKey).toBe(network.publicKey);
    expect(peers[0]?.receivedBytes).toBeGreaterThan(6 * 84);
    expect(peers[0]?.sentBytes).toBeGreaterThan(6 * 84);
    expect(Math.abs(Date.now() - (peers[0]?.latestHandshakeMs ?? 0))).toBeLessThan(10_000);
    expect(dropped).toBe(0);
  });

  test('carry packets longer than any buffer was meant for, once the MTU allows them', async () => {
    await network.restartWireGuard();
    using client = await connect();
    await client.event('handshake');
    await run('ip', ['link', 'set', client.tun.name, 'mtu', '9000']);
    // A lone failure is the path's own discovery of its MTU.
    const packet = ['-c1', '-W1', '-s8000', '-Mdont', network.site.tunnel.v4];
    await waitUntil('a ping of 8,000 bytes', () => succeeds('ping', packet));
    expect(client.device.statistics()).toMatchObject({ malformedFromTunnel: 0, refusedFromNetwork: 0 });
  });

  test('keep their session when the configuration changes around it', async () => {
    await network.restartWireGuard();
    const conf = await network.clientConf();
    const config = await clientConfig(network, conf, keys);
    const [peer] = config.peers;
    using client = await NativeDevice.start('sp-test', config, withPrefixes(conf));
    await client.event('handshake');
    const before = client.device.statistics();
    client.device.configure({
      ...config,
      peers: [{ ...peer, allowedIps: [network.site.tunnelNetworks.v4], persistentKeepalive: 25 }],
    });
    expect((await ping(network.site.tunnel.v4, 2)).received).toBe(2);
    expect((await ping(network.site.tunnel.v6, 1)).received).toBe(0);
    client.device.configure(config);
    expect((await ping(network.site.tunnel.v6, 2)).received).toBe(2);
    const after = client.device.statistics();
    expect(after.peers[0]?.latestHandshakeMs).toBe(before.peers[0]?.latestHandshakeMs);
    expect(after.listenPort).toBe(before.listenPort);

    client.device.configure({ ...config, peers: [] });
    expect(client.device.statistics().peers).toEqual([]);
    expect((await ping(network.site.tunnel.v4, 1)).received).toBe(0);
    client.device.configure(config);
    await client.event('handshake', 2);
    expect((await ping(network.site.tunnel.v4, 2)).received).toBe(2);
  });

  test('handshake anew after roaming', async () => {
    await network.restartWireGuard();
    using client = await connect();
    await client.event('handshake');
    const { listenPort } = client.device.statistics();
    // wireguard-go takes an initiation of one peer every 50 ms.
    await sleep(100);
    client.device.roam();
    await client.event('handshake', 2, 1000);
    expect(client.device.statistics().listenPort).toBe(listenPort);
    expect((await ping(network.site.tunnel.v4, 2)).received).toBe(2);
  });

  test('tell of every attempt that went unanswered, and of the one that did not', async () => {
    await network.restartWireGuard();
    await network.silence();
    try {
      const begin = performance.now();
      using client = await connect();
      await client.event('handshakeFailed');
      expect(performance.now() - begin).toBeGreaterThan(4900);
      await client.event('handshakeFailed', 2);
      await network.endSilence();
      await client.event('handshake');
      expect(client.events.filter(({ kind }) => kind === 'handshakeFailed').length).toBeLessThanOrEqual(3);
    } finally {
      await succeeds('ip', [
        'netns',
        'exec',
        network.site.namespace,
        'nft',
        'delete',
        'table',
        'inet',
        'silence',
      ]);
    }
  });

  test('meet once the endpoint is put right', async () => {
    await network.restartWireGuard();
    using client = await connect('192.0.2.77');
    await sleep(100);
    client.device.setPeerEndpoint(network.publicKey, '192.0.2.2:51820');
    await client.event('handshake', 1, 1000);
    expect(client.events.find(({ kind }) => kind === 'handshake')).toMatchObject({
      endpoint: '192.0.2.2:51820',
    });
    expect(client.events.filter(({ kind }) => kind === 'endpointChanged')).toEqual([]);
  });

  test('send with the mark that was asked for', async () => {
    await network.restartWireGuard();
    await run('ip', ['rule', 'add', 'fwmark', '0x77', 'blackhole']);
    try {
      using client = await connect(undefined, false, { fwmark: 0x77 });
      await waitUntil('the send to fail', () => client.device.statistics().dropped > 0);
      expect(client.events).toEqual([]);
    } finally {
      await run('ip', ['rule', 'del', 'fwmark', '0x77', 'blackhole']);
    }
  });
});

describe('[P5] malformed packets are counted and dropped', () => {
  test('those that come from the network', async () => {
    using client = await connect();
    await client.event('handshake');
    const { listenPort } = client.device.statistics();
    const short = Buffer.from([4, 0, 0, 0]);
    const unknown = Buffer.alloc(148, 9);
    const wrongLength = Buffer.alloc(147);
    wrongLength[0] = 1;
    await send(listenPort, Buffer.alloc(0), short, unknown, wrongLength);
    await waitUntil('four counts', () => client.device.statistics().malformedFromNetwork === 4);
    const forged = Buffer.alloc(64, 1);
    forged.set([4, 0, 0, 0]);
    await send(listenPort, forged);
    await waitUntil('one refusal', () => client.device.statistics().refusedFromNetwork === 1);
    expect((await ping(network.site.tunnel.v4, 1)).received).toBe(1);
  });

  test('those that a peer sends through the tunnel', async () => {
    await network.restartWireGuard();
    const conf = await network.clientConf();
    const config = await clientConfig(network, conf, keys);
    using client = await NativeDevice.start('sp-test', config, withPrefixes(conf));
    await client.event('handshake');
    const { namespace, interfaceName, tunnel } = network.site;
    const index = Number(
      await run('ip', ['netns', 'exec', namespace, 'cat', `/sys/class/net/${interfaceName}/ifindex`]),
    );
    const [own = ''] = conf.addresses;
    const spoofed = ipv4Packet('10.99.99.99', own);
    const tooShort = ipv4Packet(tunnel.v4, own, 400);
    for (const packet of [spoofed, tooShort]) {
      const [program, args] = rawSend(index, packet);
      await network.exec(program, args);
    }
    await waitUntil('two refusals', () => client.device.statistics().refusedFromNetwork === 2);
    expect((await ping(tunnel.v4, 1)).received).toBe(1);
  });

  test('those that come out of the interface', async () => {
    await network.restartWireGuard();
    using client = await connect();
    await client.event('handshake');
    const { v4 } = network.site.tunnel;
    const before = client.device.statistics().peers[0]?.sentBytes;
    for (const packet of [Buffer.alloc(30, 0xff), ipv4Packet(v4, v4, 27), ipv4Packet(v4, v4, 29)]) {
      await run(...rawSend(client.tun.index, packet));
    }
    await waitUntil('three counts', () => client.device.statistics().malformedFromTunnel === 3);
    expect(client.device.statistics().peers[0]?.sentBytes).toBe(before);
    expect((await ping(v4, 1)).received).toBe(1);
  });
});

describe('two WireGuard devices of ours', () => {
  test('see each other roam without a new handshake', async () => {
    const [here, there] = [keys.generate('here'), keys.generate('there')];
    const publicKey = { here: native().publicKeyOf(here), there: native().publicKeyOf(there) };
    using server = await NativeDevice.start('sp-server', {
      privateKeyFile: there,
      listenPort: 51_830,
      mtu: 1420,
      peers: [{ publicKey: publicKey.here, allowedIps: ['10.5.0.1/32'] }],
    });
    const config = {
      privateKeyFile: here,
      listenPort: 51_831,
      mtu: 1420,
      peers: [
        {
          publicKey: publicKey.there,
          allowedIps: ['10.5.0.2/32'],
          endpoint: '127.0.0.1:51830',
          persistentKeepalive: 1,
        },
      ],
    };
    using client = await NativeDevice.start('sp-client', config);
    await server.event('handshake');
    await client.event('handshake');
    client.device.configure({ ...config, listenPort: 51_832 });
    await server.event('endpointChanged');
    expect(server.events.at(-1)).toEqual({
      kind: 'endpointChanged',
      publicKey: publicKey.here,
      endpoint: '127.0.0.1:51832',
    });
    expect(client.events.filter(({ kind }) => kind === 'handshake')).toHaveLength(1);
  });
});

describe('a WireGuard device', () => {
  test('says which port is taken, and keeps its own', async () => {
    const privateKeyFile = keys.generate('port');
    const taken = createSocket('udp4');
    await new Promise<void>((resolve) => taken.bind(51_840, resolve));
    const peers = [{ publicKey: network.publicKey, allowedIps: [] }];
    const config = { privateKeyFile, listenPort: 51_841, mtu: 1420, peers };
    await expect(NativeDevice.start('sp-taken', { ...config, listenPort: 51_840 })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
    });
    using device = await NativeDevice.start('sp-taken', config);
    expect(() => {
      device.device.configure({ ...config, listenPort: 51_840 });
    }).toThrow(/port 51840/);
    expect(device.device.statistics().listenPort).toBe(51_841);
    taken.close();
  });

  test('tells when its interface is gone', async () => {
    using client = await connect();
    await run('ip', ['link', 'delete', client.tun.name]);
    await client.event('failed');
    expect(client.events.at(-1)).toMatchObject({ message: expect.stringContaining('sp-test') });
  });

  test('leaves its interface to the next, alone and closed last', async () => {
    const client = await connect();
    expect(() => {
      client.tun.close();
    }).toThrow(/still carries/);
    client.device.stop();
    client.device.stop();
    expect(() => client.device.statistics()).toThrow(expect.objectContaining({ code: 'STOPPED' }));
    expect(await run('ip', ['-brief', 'link'])).toContain('sp-test');
    client.tun.close();
    expect(await run('ip', ['-brief', 'link'])).not.toContain('sp-test');
  });

  test('[L11] leaves no descriptor and no thread behind, however often it runs', async () => {
    await network.restartWireGuard();
    const conf = await network.clientConf();
    const config = await clientConfig(network, conf, keys);
    const count = (): [number, number] => [
      readdirSync('/proc/self/fd').length,
      readdirSync('/proc/self/task').length,
    ];
    let before: [number, number] = [0, 0];
    for (let cycle = 0; cycle < 60; cycle += 1) {
      const tun = native().Tun.open('sp-cycle');
      const device = native().WireGuardDevice.start(tun, config, () => undefined);
      if (cycle % 3 === 0) device.roam();
      await sleep(cycle % 7);
      device.stop();
      tun.close();
      if (cycle === 9) before = count();
    }
    expect(count()).toEqual(before);
  });
});
