import { lookup } from 'node:dns/promises';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ReconnectingClient } from '@sallyport/shared/client/reconnecting-client.ts';
import { HelperProcess } from '../rig/helper-process.ts';
import { fetchText, pageUrl, ping, resolveAt } from '../rig/measure.ts';
import { PeerNetwork } from '../rig/peer-network.ts';
import { intranetName, pageText, peerName } from '../rig/peer-site.ts';
import { run } from '../rig/run.ts';
import { diffSnapshots, snapshotNetwork } from '../rig/snapshot.ts';
import { importConf } from './product.ts';

let peer: PeerNetwork;
let other: PeerNetwork;
let helper: HelperProcess;
let client: ReconnectingClient;

beforeAll(async () => {
  peer = await PeerNetwork.start();
  other = await PeerNetwork.start({ site: 1 });
  helper = await HelperProcess.start();
  client = await helper.client();
});

afterAll(async () => {
  await helper.stop();
  await other.stop();
  await peer.stop();
});

const page = async (host: string): Promise<string> => (await fetchText(pageUrl(host))).trimEnd();

describe('a tunnel to a foreign WireGuard peer', () => {
  test.each([
    ['IPv4 inside IPv4', { families: 'v4' }, 'v4', ['v4']],
    ['IPv6 inside IPv4', { families: 'v6' }, 'v4', ['v6']],
    ['both inside IPv6', {}, 'v6', ['v4', 'v6']],
    ['both with a preshared key', { presharedKey: true }, 'v4', ['v4', 'v6']],
  ] as const)(
    '[L1, L2] %s carries packets both ways and leaves nothing',
    async (_title, options, cable, inside) => {
      const before = await snapshotNetwork();
      const conf = await peer.clientConf({ ...options, endpointHost: peer.site.underlay.peer[cable] });
      const manager = await importConf(client, conf);
      await manager.session.start();
      expect(client.hello?.pid).toBe(helper.pid);
      for (const family of inside) {
        expect(await page(peer.site.tunnel[family])).toBe(pageText);
        expect(conf.addresses).toContain(await fetchText(pageUrl(peer.site.tunnel[family], '/from')));
      }
      const statistics = await manager.session.statistics();
      expect(statistics?.receivedBytes).toBeGreaterThan(300);
      expect(statistics?.peers[0]?.latestHandshake).toBeGreaterThan(Date.now() - 60_000);
      await manager.session.stop({ wait: true });
      expect(diffSnapshots(before, await snapshotNetwork())).toEqual([]);
      await manager.remove();
      await peer.removeClient(conf);
    },
  );

  test('a full tunnel takes everything, without touching the main table', async () => {
    const before = await snapshotNetwork();
    const main = await run('ip', ['-4', 'route', 'show', 'table', 'main']);
    const conf = await peer.clientConf({ allowedIPs: ['0.0.0.0/0', '::/0'] });
    const manager = await importConf(client, conf);
    expect(conf.addresses).not.toContain(await fetchText(pageUrl(peer.site.internet.v4, '/from')));
    await manager.session.start();
    const during = await run('ip', ['-4', 'route', 'show', 'table', 'main']);
    expect(during.split('\n').filter((line) => line.startsWith('default'))).toEqual(
      main.split('\n').filter((line) => line.startsWith('default')),
    );
    for (const host of [peer.site.internet.v4, peer.site.internet.v6]) {
      expect(conf.addresses).toContain(await fetchText(pageUrl(host, '/from')));
    }
    await manager.session.stop({ wait: true });
    expect(conf.addresses).not.toContain(await fetchText(pageUrl(peer.site.internet.v4, '/from')));
    expect(diffSnapshots(before, await snapshotNetwork())).toEqual([]);
    await manager.remove();
    await peer.removeClient(conf);
  });

  test('an IPv4-only full tunnel blocks IPv6 outside the cable itself', async () => {
    const conf = await peer.clientConf({ families: 'v4', allowedIPs: ['0.0.0.0/0'] });
    const manager = await importConf(client, conf);
    expect((await ping(peer.site.internet.v6, 1)).received).toBe(1);
    await manager.session.start();
    await expect(fetchText(pageUrl(peer.site.internet.v6), 1500)).rejects.toThrow();
    expect(conf.addresses).toContain(await fetchText(pageUrl(peer.site.internet.v4, '/from')));
    await manager.session.stop({ wait: true });
    expect((await ping(peer.site.internet.v6, 1)).received).toBe(1);
    await manager.remove();
    await peer.removeClient(conf);
  });

  test('a split tunnel leaves everything else where it was', async () => {
    const conf = await peer.clientConf();
    const manager = await importConf(client, conf);
    await manager.session.start();
    expect(await page(peer.site.tunnel.v4)).toBe(pageText);
    expect(await fetchText(pageUrl(peer.site.internet.v4, '/from'))).toBe(peer.site.underlay.client.v4);
    await manager.session.stop({ wait: true });
    await manager.remove();
    await peer.removeClient(conf);
  });

  test('a split tunnel may hold the address of its own server', async () => {
    const before = await snapshotNetwork();
    const conf = await peer.clientConf({ families: 'v4', allowedIPs: ['10.77.0.0/24', '192.0.2.0/25'] });
    const manager = await importConf(client, conf);
    await manager.session.start();
    expect(await page(peer.site.tunnel.v4)).toBe(pageText);
    await manager.session.stop({ wait: true });
    expect(diffSnapshots(before, await snapshotNetwork())).toEqual([]);
    await manager.remove();
    await peer.removeClient(conf);
  });

  test('DNS of the configuration answers, and the old one is put back', async () => {
    const before = await readFile('/etc/resolv.conf', 'utf8');
    const conf = await peer.clientConf({ dns: [peer.site.tunnel.v4, 'demo'] });
    const manager = await importConf(client, conf);
    await manager.session.start();
    const during = await readFile('/etc/resolv.conf', 'utf8');
    expect(during).toContain(`nameserver ${peer.site.tunnel.v4}`);
    expect(during).toMatch(/^search demo$/m);
    expect(await resolveAt(peer.site.tunnel.v4, intranetName)).toEqual([peer.site.tunnel.v4]);
    expect((await lookup(intranetName, { family: 4 })).address).toBe(peer.site.tunnel.v4);
    expect((await lookup('intranet', { family: 4 })).address).toBe(peer.site.tunnel.v4);
    await manager.session.stop({ wait: true });
    expect(await readFile('/etc/resolv.conf', 'utf8')).toBe(before);
    await manager.remove();
    await peer.removeClient(conf);
  });

  test('several peers, each with its own networks', async () => {
    const conf = await peer.clientConf();
    const second = await other.clientConf({ presharedKey: true });
    const text = `${conf.text}\n${second.peerSection}`;
    await other.admit({
      ...conf,
      allowed: {
        ...conf.allowed,
        ...(second.presharedKey === undefined ? {} : { presharedKey: second.presharedKey }),
      },
    });
    const manager = await importConf(client, text);
    await manager.session.start();
    expect(await page(peer.site.tunnel.v4)).toBe(pageText);
    expect(await page(other.site.tunnel.v4)).toBe(pageText);
    expect((await manager.session.statistics())?.peers).toHaveLength(2);
    await manager.session.stop({ wait: true });
    await manager.remove();
    await peer.removeClient(conf);
    await other.removeClient(conf);
  });

  test('two sessions whose routes do not overlap run side by side', async () => {
    const first = await importConf(client, await peer.clientConf());
    const second = await importConf(client, await other.clientConf());
    await first.session.start();
    await second.session.start();
    expect(await page(peer.site.tunnel.v4)).toBe(pageText);
    expect(await page(other.site.tunnel.v4)).toBe(pageText);
    await first.session.stop({ wait: true });
    expect(await page(other.site.tunnel.v4)).toBe(pageText);
    await second.session.stop({ wait: true });
    await first.remove();
    await second.remove();
  });

  test('[M3] a second full tunnel is refused until the client agrees, then takes the place of the first', async () => {
    const first = await importConf(client, await peer.clientConf({ allowedIPs: ['0.0.0.0/0', '::/0'] }));
    const second = await importConf(client, await peer.clientConf({ allowedIPs: ['0.0.0.0/0', '::/0'] }));
    await first.session.start();
    await expect(second.session.start()).rejects.toMatchObject({ code: 'sessionConflict' });
    expect(first.session.status).toBe('connected');
    await second.session.start(null, { supersede: true });
    expect(first.session.status).toBe('disconnected');
    expect(await first.session.lastStopReason()).toBe('superceded');
    expect(await fetchText(pageUrl(peer.site.internet.v4, '/from'))).toMatch(/^10\.77\./);
    await second.session.stop({ wait: true });
    await first.remove();
    await second.remove();
  });

  test('an endpoint by name is resolved again when the peer has moved', { timeout: 90_000 }, async () => {
    await peer.useUnderlayDns();
    const conf = await peer.clientConf({ endpointHost: peerName, persistentKeepalive: 1 });
    const manager = await importConf(client, conf);
    await manager.session.start();
    expect(await page(peer.site.tunnel.v4)).toBe(pageText);
    await manager.session.stop({ wait: true });
    await peer.move();
    // The old address stays in no cache of ours: the next start asks again.
    await manager.session.start();
    expect(await page(peer.site.tunnel.v4)).toBe(pageText);
    await manager.session.stop({ wait: true });
    await manager.remove();
    await peer.removeClient(conf);
    await peer.move();
  });

  test('a running start follows the name when its handshake fails', { timeout: 60_000 }, async () => {
    await peer.useUnderlayDns();
    await peer.setRecords('underlay', { [peerName]: ['192.0.2.99'] });
    const conf = await peer.clientConf({ endpointHost: peerName });
    const manager = await importConf(client, conf);
    await manager.session.start(null, { wait: false });
    await expect.poll(() => manager.session.status).toBe('connecting');
    await peer.setRecords('underlay', { [peerName]: [peer.site.underlay.peer.v4] });
    await expect.poll(() => manager.session.status, { timeout: 30_000 }).toBe('connected');
    expect(await page(peer.site.tunnel.v4)).toBe(pageText);
    await manager.session.stop({ wait: true });
    await manager.remove();
    await peer.removeClient(conf);
  });

  test('[K1, K2] the helper keeps secrets to itself', async () => {
    const environment = await readFile(`/proc/${String(helper.pid)}/environ`, 'utf8');
    const conf = await peer.clientConf();
    const manager = await importConf(client, conf);
    const secrets = join(helper.directory, 'state', 'secrets');
    const names = await readdir(secrets);
    expect(names).toHaveLength(1 + manager.secretReferences.length);
    const key = Buffer.from(conf.privateKey, 'base64');
    for (const name of names) {
      const path = join(secrets, name);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect((await readFile(path)).includes(key)).toBe(false);
    }
    expect((await stat(secrets)).mode & 0o777).toBe(0o700);
    const stored = JSON.stringify([manager.protocolConfiguration, helper.log, environment]);
    expect(stored).not.toContain(conf.privateKey);
    await manager.remove();
    expect(await readdir(secrets)).toEqual(['master-key']);
    await peer.removeClient(conf);
  });
});
