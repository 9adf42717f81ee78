import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HelperProcess } from '../rig/helper-process.ts';
import { PeerNetwork } from '../rig/peer-network.ts';
import { diffSnapshots, snapshotNetwork } from '../rig/snapshot.ts';
import { importConf } from './product.ts';

let peer: PeerNetwork;
let helper: HelperProcess;

beforeAll(async () => {
  peer = await PeerNetwork.start();
  helper = await HelperProcess.start({ logLevel: 'error', nodeArguments: ['--expose-gc'] });
});

afterAll(async () => {
  await helper.stop();
  await peer.stop();
});

interface Footprint {
  readonly descriptors: number;
  readonly threads: number;
  readonly megabytes: number;
}

/** What the helper holds at rest: the least of some looks, since the last cycle's files may still be written. */
async function footprint(): Promise<Footprint> {
  const looks: Footprint[] = [];
  for (let index = 0; index < 10; index += 1) {
    await sleep(100);
    looks.push(await look());
  }
  const least = (pick: (one: Footprint) => number): number => Math.min(...looks.map(pick));
  return {
    descriptors: least((one) => one.descriptors),
    threads: least((one) => one.threads),
    megabytes: least((one) => one.megabytes),
  };
}

async function look(): Promise<Footprint> {
  const directory = `/proc/${String(helper.pid)}`;
  const status = await readFile(`${directory}/status`, 'utf8');
  const kilobytes = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
  return {
    descriptors: (await readdir(`${directory}/fd`)).length,
    threads: (await readdir(`${directory}/task`)).length,
    megabytes: kilobytes / 1024,
  };
}

const cycles = 1000;
/** The heap finds its size during these. */
const warmUp = 300;

describe('many sessions', () => {
  test(
    `[L1, L11] ${String(cycles)} connect and disconnect cycles in one process keep memory and descriptors flat`,
    { timeout: 600_000 },
    async () => {
      const before = await snapshotNetwork();
      const client = await helper.client();
      const manager = await importConf(client, await peer.clientConf());
      let instance = 0;
      const cycle = async (): Promise<void> => {
        await manager.session.start();
        instance = client.session(manager.id)?.instance ?? 0;
        await manager.session.stop({ wait: true });
      };
      for (let index = 0; index < warmUp; index += 1) await cycle();
      const early = await footprint();
      for (let index = warmUp; index < cycles; index += 1) await cycle();
      const late = await footprint();
      expect(instance).toBe(cycles);
      expect(client.hello?.pid).toBe(helper.pid);
      expect(late.descriptors).toBe(early.descriptors);
      expect(late.threads).toBe(early.threads);
      // The heap breathes by some megabytes; a leak of 20 KB a session would show as 19 MB.
      expect(late.megabytes - early.megabytes).toBeLessThan(15);
      await manager.remove();
      expect(diffSnapshots(before, await snapshotNetwork())).toEqual([]);
    },
  );
});
