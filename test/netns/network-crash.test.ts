import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { run } from '../rig/run.ts';
import { diffSnapshots, snapshotNetwork } from '../rig/snapshot.ts';
import {
  claimsDirectory,
  openController,
  plugIn,
  resolvConf,
  temporaryDirectory,
  unplug,
} from './network-machine.ts';

const victimScript = fileURLToPath(new URL('network-victim.ts', import.meta.url));
const text = 'nameserver 192.0.2.53\nsearch lan.example\noptions edns0\n';
const aside = '/etc/resolv.conf.of-the-rig';

let state: Awaited<ReturnType<typeof temporaryDirectory>>;
beforeEach(async () => {
  state = await temporaryDirectory();
  await plugIn();
  await rename(resolvConf, aside);
});
afterEach(async () => {
  await rename(aside, resolvConf);
  await rm(claimsDirectory, { recursive: true, force: true });
  await unplug();
  await state.remove();
});

/** Runs a helper that dies at an operation; false once it outlives them all. */
async function kill(at: number, what: string): Promise<boolean> {
  const victim = spawn(
    process.execPath,
    [victimScript, state.path, String(at), 'com.example.tunnel', 'sp0', what],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let said = '';
  victim.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code, signal] = await once(victim, 'close');
  if (signal === 'SIGKILL') return true;
  expect([code, said]).toEqual([0, 'lived\n']);
  return false;
}

describe('[F1] kill -9 at every step, undone at the next start', () => {
  const places = {
    'with a file': {
      what: 'all',
      steps: 70,
      make: () => writeFile(resolvConf, text),
      remove: () => rm(resolvConf),
    },
    'with a link': {
      what: 'names',
      steps: 10,
      make: async () => {
        await writeFile('/run/rig-resolv.conf', text);
        await symlink('../run/rig-resolv.conf', resolvConf);
      },
      remove: async () => {
        await rm(resolvConf);
        await rm('/run/rig-resolv.conf');
      },
    },
    'with a bind mount': {
      what: 'names',
      steps: 10,
      make: async () => {
        await writeFile('/run/rig-mounted', text);
        await writeFile(resolvConf, '');
        await run('mount', ['--bind', '/run/rig-mounted', resolvConf]);
      },
      remove: async () => {
        await run('umount', [resolvConf]);
        await rm(resolvConf);
        await rm('/run/rig-mounted');
      },
    },
  };

  test.each(Object.entries(places))(
    '%s for resolv.conf',
    async (_, place) => {
      await place.make();
      const before = await snapshotNetwork({ directories: ['/etc'] });
      let at = 0;
      let changed = 0;
      try {
        for (; await kill(at, place.what); at += 1) {
          const dead = await snapshotNetwork({ directories: ['/etc'] });
          if (diffSnapshots(before, dead).some((line) => !line.includes('sallyport'))) changed += 1;
          const { controller, log } = await openController(state.path);
          await controller.recover();
          const left = diffSnapshots(before, await snapshotNetwork({ directories: ['/etc'] }));
          // The directory stays where the dead helper made it: others may stand in it by now.
          expect([at, left.filter((line) => line !== '+ directory /run/sallyport')]).toEqual([at, []]);
          expect([at, log.filter((line) => /^(?:error|warning)/.test(line))]).toEqual([at, []]);
          expect(await readFile(join(state.path, 'network.journal'), 'utf8').catch(() => '')).toBe('');
        }
        expect(at).toBeGreaterThanOrEqual(place.steps);
        expect(changed).toBeGreaterThan(3);
      } finally {
        await place.remove();
      }
    },
    600_000,
  );
});
