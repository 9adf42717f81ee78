import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TunnelProviderManager } from '@sallyport/shared/client/tunnel-provider-manager.ts';
import { HelperProcess } from '../rig/helper-process.ts';
import { fetchText, pageUrl } from '../rig/measure.ts';
import { PeerNetwork } from '../rig/peer-network.ts';
import { diffSnapshots, snapshotNetwork } from '../rig/snapshot.ts';
import { importConf } from './product.ts';

let peer: PeerNetwork;
let directory: string;

beforeAll(async () => {
  peer = await PeerNetwork.start();
  directory = await mkdtemp(join(tmpdir(), 'sallyport-crash-'));
});

afterAll(async () => {
  await peer.stop();
  await rm(directory, { recursive: true, force: true });
});

describe('a helper that is killed while connected', () => {
  test('[F1] undoes at its next start what it had done to the system', async () => {
    const before = await snapshotNetwork();
    const conf = await peer.clientConf({ allowedIPs: ['0.0.0.0/0', '::/0'], dns: [peer.site.tunnel.v4] });
    const killed = await HelperProcess.start({ directory });
    const manager = await importConf(await killed.client(), conf);
    await manager.session.start();
    expect(conf.addresses).toContain(await fetchText(pageUrl(peer.site.internet.v4, '/from')));
    await killed.kill();
    expect(diffSnapshots(before, await snapshotNetwork())).not.toEqual([]);

    const next = await HelperProcess.start({ directory });
    try {
      expect(diffSnapshots(before, await snapshotNetwork())).toEqual([]);
      expect(await fetchText(pageUrl(peer.site.internet.v4, '/from'))).toBe(peer.site.underlay.client.v4);
      const client = await next.client();
      const [kept] = await TunnelProviderManager.loadAll(client);
      if (kept === undefined) throw new Error('The configuration was lost.');
      expect(kept.id).toBe(manager.id);
      await kept.session.start();
      expect(conf.addresses).toContain(await fetchText(pageUrl(peer.site.internet.v4, '/from')));
      await kept.remove();
    } finally {
      await next.stop();
    }
    expect(diffSnapshots(before, await snapshotNetwork())).toEqual([]);
  });

  test('[L13] every client can read how a session ended, also after a restart of the helper', async () => {
    const conf = await peer.clientConf();
    const first = await HelperProcess.start({ directory });
    const manager = await importConf(await first.client(), conf);
    await manager.session.start();
    await manager.session.stop({ wait: true });
    await first.stop();
    const second = await HelperProcess.start({ directory });
    try {
      const client = await second.client();
      expect(client.session(manager.id)?.lastEnd).toMatchObject({ reason: 'userInitiated', error: null });
      const [kept] = await TunnelProviderManager.loadAll(client);
      expect(await kept?.session.lastStopReason()).toBe('userInitiated');
      await kept?.remove();
    } finally {
      await second.stop();
    }
  });
});
