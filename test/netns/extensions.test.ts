import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { TunnelProviderManager } from '@sallyport/shared/client/tunnel-provider-manager.ts';
import { tunnelProviderProtocolSchema } from '@sallyport/shared/protocol/configuration.ts';
import { HelperProcess } from '../rig/helper-process.ts';
import { fetchText, pageUrl, ping } from '../rig/measure.ts';
import { PeerNetwork } from '../rig/peer-network.ts';
import { run } from '../rig/run.ts';
import { diffSnapshots, snapshotNetwork } from '../rig/snapshot.ts';
import { importConf } from './product.ts';

const manifestOf = (name: string): string =>
  fileURLToPath(new URL(`fixtures/${name}/manifest.json`, import.meta.url));

const helpers: HelperProcess[] = [];

async function startHelper(manifest?: string): Promise<HelperProcess> {
  const helper = await HelperProcess.start(manifest === undefined ? {} : { manifest: manifestOf(manifest) });
  helpers.push(helper);
  return helper;
}

afterEach(async () => {
  for (const helper of helpers.splice(0)) await helper.stop();
});

describe('a provider in TypeScript', () => {
  test('[P5] carries packets through packetFlow; malformed ones are counted and dropped', async () => {
    const before = await snapshotNetwork();
    const helper = await startHelper('echo');
    const client = await helper.client();
    const manager = new TunnelProviderManager(client);
    manager.name = 'Echo';
    manager.protocolConfiguration = tunnelProviderProtocolSchema.parse({
      providerBundleIdentifier: 'com.example.echo.tunnel',
      serverAddress: null,
    });
    await manager.save();
    await manager.session.start();
    expect((await ping('10.66.0.9', 5, 0.05)).received).toBe(5);
    expect(await run('ip', ['link', 'show', 'type', 'tun'])).toContain('mtu 1400');

    const good = await manager.session.statistics();
    for (const packet of [new Uint8Array(40), Uint8Array.of(0x45), new Uint8Array(60).fill(0xff)]) {
      await manager.session.sendProviderMessage(packet);
    }
    const bad = await manager.session.statistics();
    expect((bad?.malformedPackets ?? 0) - (good?.malformedPackets ?? 0)).toBe(3);
    expect((await ping('10.66.0.9', 2, 0.05)).received).toBe(2);
    await manager.session.stop();
    expect(helper.log.filter((line) => line.includes('left running'))).toEqual([]);
    await manager.remove();
    await helper.stop();
    expect(diffSnapshots(before, await snapshotNetwork())).toEqual([]);
  });
});

describe('with a peer', () => {
  let peer: PeerNetwork;

  beforeAll(async () => {
    peer = await PeerNetwork.start();
  });

  afterAll(async () => {
    await peer.stop();
  });

  test('[L10] two extensions run side by side; the second full tunnel is refused with the name of the first', async () => {
    const first = await startHelper();
    const second = await startHelper('second');
    expect(first.pid).not.toBe(second.pid);
    const full = { allowedIPs: ['0.0.0.0/0', '::/0'] };
    const ours = await importConf(await first.client(), await peer.clientConf(full));
    const split = await importConf(await second.client(), await peer.clientConf());
    const theirs = await importConf(await second.client(), await peer.clientConf(full));
    theirs.retry = false;
    await theirs.save();
    await ours.session.start();
    await split.session.start();
    expect(await fetchText(pageUrl(peer.site.internet.v4, '/from'))).toMatch(/^10\.77\./);
    await expect(theirs.session.start()).rejects.toThrow(/org\.sallyport\.helper has a full tunnel already/);
    const names = await run('ip', ['-brief', 'link', 'show', 'type', 'tun']);
    const prefixes = new Set([...names.matchAll(/^(sp[0-9a-f]{4})-/gm)].map(([, prefix]) => prefix));
    expect(prefixes.size).toBe(2);
    await ours.session.stop();
    await theirs.session.start();
    await theirs.session.stop();
    await split.session.stop();
  });

  test('[L2] a silent peer: connecting, connectionFailed with its reason at the deadline, then new starts until stopped', async () => {
    const helper = await startHelper('second');
    const client = await helper.client();
    const conf = await peer.clientConf();
    const manager = await importConf(client, conf);
    await peer.silence();
    await manager.session.start(null, { wait: false });
    expect(manager.session.status).toBe('connecting');
    await expect
      .poll(() => client.session(manager.id)?.lastEnd?.reason, { timeout: 8000 })
      .toBe('connectionFailed');
    expect(client.session(manager.id)?.lastEnd?.error).toMatchObject({
      domain: 'ConnectionError',
      code: 'serverNotResponding',
    });
    expect(client.session(manager.id)?.nextAttemptDate ?? 0).toBeGreaterThan(Date.now() - 5000);
    await expect.poll(() => manager.session.status, { timeout: 5000 }).toBe('connecting');
    await peer.endSilence();
    await expect.poll(() => manager.session.status, { timeout: 20_000 }).toBe('connected');
    await manager.session.stop();
    await peer.silence();
    await manager.session.start(null, { wait: false });
    await manager.session.stop();
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(client.session(manager.id)).toMatchObject({ status: 'disconnected', nextAttemptDate: null });
    await peer.endSilence();
    await manager.remove();
  });

  test('[M1, M2] a manager does nothing before load or save, and a stale save changes nothing', async () => {
    const helper = await startHelper();
    const client = await helper.client();
    const fresh = new TunnelProviderManager(client, randomUUID());
    await expect(fresh.session.start()).rejects.toMatchObject({ code: 'configurationInvalid' });
    const manager = await importConf(client, await peer.clientConf());
    const [other] = await TunnelProviderManager.loadAll(client);
    if (other === undefined) throw new Error('The configuration is missing.');
    other.name = 'Renamed elsewhere';
    await other.save();
    manager.name = 'Renamed here';
    await expect(manager.save()).rejects.toMatchObject({ code: 'configurationStale' });
    await manager.load();
    expect(manager.name).toBe('Renamed elsewhere');
    await manager.remove();
  });

  test('[M4] a configuration saved under a running tunnel takes effect without a restart', async () => {
    const helper = await startHelper();
    const client = await helper.client();
    const manager = await importConf(client, await peer.clientConf());
    await manager.session.start();
    const before = client.session(manager.id);
    const protocol = manager.protocolConfiguration;
    if (protocol === null) throw new Error('The configuration has no protocol.');
    manager.protocolConfiguration = {
      ...protocol,
      providerConfiguration: { ...protocol.providerConfiguration, mtu: 1380 },
    };
    await manager.save();
    await expect
      .poll(() => run('ip', ['link', 'show', 'dev', before?.virtualInterface?.name ?? '']))
      .toContain('mtu 1380');
    expect(client.session(manager.id)).toMatchObject({
      status: 'connected',
      instance: before?.instance,
      virtualInterface: before?.virtualInterface,
    });
    expect(await fetchText(pageUrl(peer.site.tunnel.v4, '/from'))).toMatch(/^10\.77\./);
    await manager.remove();
  });

  test('[L14] does nothing at intervals while no provider runs', async () => {
    const helper = await startHelper();
    const client = await helper.client();
    const manager = await importConf(client, await peer.clientConf());
    await manager.session.start();
    await manager.session.stop();
    client.close();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const waits = async (): Promise<number> => {
      const status = await run('cat', [`/proc/${String(helper.pid)}/status`]);
      return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
    };
    const before = await waits();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    // A timer of even one second would wake the main thread three times.
    expect((await waits()) - before).toBeLessThan(3);
  });
});
