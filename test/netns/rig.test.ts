import { lookup } from 'node:dns/promises';
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Capture } from '../rig/capture.ts';
import { fetchText, pageUrl, ping, resolveAt, throughput } from '../rig/measure.ts';
import { PeerNetwork } from '../rig/peer-network.ts';
import { intranetName, pageText, peerName } from '../rig/peer-site.ts';
import { ReferenceClient } from '../rig/reference-client.ts';
import { run } from '../rig/run.ts';

let network: PeerNetwork;
beforeAll(async () => {
  network = await PeerNetwork.start();
});
afterAll(async () => {
  await network.stop();
  const left = `${await run('ip', ['-brief', 'link'])}${await run('ip', ['netns'])}`;
  expect(left).not.toMatch(/under0|peer|wg-/);
});

describe('the rig, with a client that is not ours', () => {
  test.each([
    ['IPv4', {}, 'v4'],
    ['IPv6 with a preshared key', { presharedKey: true }, 'v6'],
  ] as const)('connects over %s: page, names, round trip', async (_, options, cable) => {
    await network.restartWireGuard();
    const conf = await network.clientConf(options);
    await using client = await ReferenceClient.connect(network, conf, network.site.underlay.peer[cable]);
    expect(client.interfaceName).toBe('wg-reference');
    const { v4, v6 } = network.site.tunnel;
    for (const host of [v4, v6]) {
      expect(await fetchText(pageUrl(host))).toBe(`${pageText}\n`);
      expect(conf.addresses).toContain(await fetchText(pageUrl(host, '/from')));
      expect((await ping(host, 3)).received).toBe(3);
      expect(await resolveAt(host, intranetName, 4)).toEqual([v4]);
      expect(await resolveAt(host, intranetName, 6)).toEqual([v6]);
      await expect(resolveAt(host, 'elsewhere.test')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    }
    expect((await network.takeQueries('tunnel')).map((query) => query.name)).toContain('elsewhere.test');
    const [statistics] = (await network.statistics()).filter((one) => one.publicKey === conf.publicKey);
    expect(statistics?.latestHandshake).toBeGreaterThan(0);
    expect(statistics?.received).toBeGreaterThan(1000);
    await network.removeClient(conf);
  });

  test('measures throughput both ways', async () => {
    await network.restartWireGuard();
    const conf = await network.clientConf();
    await using client = await ReferenceClient.connect(network, conf);
    expect(client.pid).toBeGreaterThan(0);
    await network.startIperf();
    for (const inbound of [false, true]) {
      const { megabitsPerSecond } = await throughput(network.site.tunnel.v4, { seconds: 1, inbound });
      expect(megabitsPerSecond).toBeGreaterThan(10);
    }
  });
});

test('a capture on the cable sees what goes beside the tunnel, and only that', async () => {
  await network.restartWireGuard();
  const conf = await network.clientConf();
  await using client = await ReferenceClient.connect(network, conf);
  expect(client.pid).toBeGreaterThan(0);
  const capture = await Capture.start(
    network.site.clientLink,
    'not udp port 51820 and not arp and not icmp6',
  );
  expect(await fetchText(pageUrl(network.site.tunnel.v4))).toBe(`${pageText}\n`);
  expect(capture.packets).toEqual([]);
  expect((await ping(network.site.internet.v4, 1)).received).toBe(1);
  const packets = await capture.stop();
  expect(packets).toHaveLength(2);
  expect(packets.join('\n')).toContain(network.site.internet.v4);
});

describe('the rig, without a tunnel', () => {
  test('answers for no address of the tunnel on the cable', async () => {
    expect((await ping(network.site.tunnel.v4, 1)).received).toBe(0);
    expect((await ping(network.site.tunnel.v6, 1)).received).toBe(0);
    expect((await ping(network.site.internet.v4, 1)).received).toBe(1);
    expect((await ping(network.site.internet.v6, 1)).received).toBe(1);
  });

  test('resolves names through the system resolver with the server on the cable', async () => {
    await network.useUnderlayDns();
    const addresses = await lookup(peerName, { all: true });
    expect(addresses.map(({ address }) => address).sort()).toEqual(
      Object.values(network.site.underlay.peer).sort(),
    );
    await expect(lookup(intranetName)).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await writeFile('/etc/resolv.conf', '');
  });

  test('lets a second peer live beside the first', async () => {
    await using second = await PeerNetwork.start({ site: 1 });
    const conf = await second.clientConf();
    await using client = await ReferenceClient.connect(second, conf);
    expect(client.pid).toBeGreaterThan(0);
    expect(await fetchText(pageUrl(second.site.tunnel.v6))).toBe(`${pageText}\n`);
  });
});

describe('the peer', () => {
  test('falls silent and moves', async () => {
    const { underlay, tunnel } = network.site;
    const conf = await network.clientConf();
    await using client = await ReferenceClient.connect(network, conf);
    const isReached = async (): Promise<boolean> => (await ping(tunnel.v4, 2)).received > 0;
    expect(await isReached()).toBe(true);

    await network.silence();
    expect(await isReached()).toBe(false);
    await network.endSilence();
    expect(await isReached()).toBe(true);

    await network.move();
    expect(await isReached()).toBe(false);
    await client.setEndpoint(network, underlay.moved.v4);
    expect(await isReached()).toBe(true);
    expect(await resolveAt(underlay.peer.v4, peerName)).toEqual([underlay.moved.v4]);
    await network.move();
    await client.setEndpoint(network, underlay.peer.v4);
    expect(await isReached()).toBe(true);
  });

  test('ends and comes back', async () => {
    const conf = await network.clientConf();
    await network.stopWireGuard();
    {
      await using client = await ReferenceClient.connect(network, conf);
      expect(client.pid).toBeGreaterThan(0);
      expect((await ping(network.site.tunnel.v4, 1)).received).toBe(0);
    }
    await network.startWireGuard();
    await using client = await ReferenceClient.connect(network, conf);
    expect(client.pid).toBeGreaterThan(0);
    expect((await ping(network.site.tunnel.v4, 1)).received).toBe(1);
  });
});
