import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { hostNamespacesVariable, ownNamespaces } from '@sallyport/helper/developer/private-namespaces.ts';
import { HelperProcess } from '../rig/helper-process.ts';
import { run } from '../rig/run.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = fileURLToPath(new URL('../../helper/main.ts', import.meta.url));
/** `nobody`, whom nothing belongs to. */
const uid = 65_534;
/** Where an ordinary user finds the source tree, whoever owns the folders above it. */
const tree = '/mnt';

const factsSchema = z.object({
  received: z.int(),
  role: z.string(),
  developerMode: z.boolean(),
  uidInside: z.int(),
  uidMap: z.array(z.string()),
  directoryMode: z.int(),
  endpoint: z.string(),
});

describe('developer mode', () => {
  test('[A10] refuses to start where it could change the machine’s own network', () => {
    const result = spawnSync(process.execPath, [main, '--developer'], {
      encoding: 'utf8',
      env: { ...process.env, [hostNamespacesVariable]: ownNamespaces().join(' ') },
    });
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('Developer mode would change the machine’s own network');
  });

  test('[A10] has its own /run, resolv.conf and no system bus, and says that checks are off', async () => {
    await using helper = await HelperProcess.start();
    const environment = readFileSync(`/proc/${String(helper.pid)}/environ`, 'utf8').split('\0');
    expect(environment).toContain('DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/no-system-bus');
    expect(existsSync('/run/no-system-bus')).toBe(false);
    expect(existsSync('/run/dbus')).toBe(false);
    const mounts = await run('cat', [`/proc/${String(helper.pid)}/mounts`]);
    expect(mounts).toMatch(/^tmpfs \/run tmpfs/m);
    expect(helper.endpoint.startsWith('/run')).toBe(false);
    expect(helper.log.join('\n')).toContain('executables and namespaces of callers are not checked');
  });

  describe('of an ordinary user', () => {
    beforeAll(async () => {
      await run('mount', ['--bind', root, tree]);
    });
    afterAll(async () => {
      await run('umount', ['--lazy', tree]);
    });

    /** Puts a device node with other permissions over /dev/net/tun, in this mount namespace alone. */
    async function coverTun(mode: string): Promise<void> {
      const node = `/run/devices/tun-${mode}`;
      await run('sh', [
        '-c',
        `mountpoint -q /run/devices || (mkdir /run/devices && mount -t tmpfs tmpfs /run/devices)`,
      ]);
      await run('sh', ['-c', `mknod ${node} c 10 200 && chmod ${mode} ${node}`]);
      await run('mount', ['--bind', node, '/dev/net/tun']);
    }

    function asUser() {
      const node = `${tree}/${relative(root, process.execPath)}`;
      const script = `${tree}/test/netns/fixtures/developer/outer.ts`;
      return spawnSync(
        'setpriv',
        [...['--reuid', String(uid), '--regid', String(uid), '--clear-groups'], '--', node, script],
        { encoding: 'utf8', cwd: tree, env: { PATH: process.env['PATH'], HOME: '/', TMPDIR: '/tmp' } },
      );
    }

    test('[A10] runs in a user namespace of its own where /dev/net/tun may be opened by all', async () => {
      await coverTun('666');
      try {
        const { status, stdout, stderr } = asUser();
        expect(status, stderr).toBe(0);
        const facts = factsSchema.parse(JSON.parse(stdout));
        expect(facts).toMatchObject({
          received: 3,
          role: 'administrator',
          developerMode: true,
          uidInside: 0,
        });
        expect(facts.uidMap).toEqual(['0', String(uid), '1']);
        expect(facts.directoryMode).toBe(0o700);
      } finally {
        await run('umount', ['/dev/net/tun']);
      }
    });

    test('[A10] says in one sentence what to do where it may not', async () => {
      await coverTun('600');
      try {
        const { status, stderr } = asUser();
        expect(status).toBe(1);
        expect(stderr.trim().split('\n')).toEqual([expect.stringMatching(/\/dev\/net\/tun.*chmod 0666/)]);
      } finally {
        await run('umount', ['/dev/net/tun']);
      }
    });
  });
});
