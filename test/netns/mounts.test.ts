import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { native } from '@sallyport/helper/native/load.ts';
import { run } from '../rig/run.ts';

const refusal = (code: string): unknown => expect.objectContaining({ code });

describe('mounts', () => {
  test('a tmpfs with its options, and a file at two places', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sallyport-mounts-'));
    try {
      native().makeMountsPrivate();
      const memory = join(directory, 'memory');
      await mkdir(memory);
      native().mountTmpfs(memory, 'mode=0750,size=1m');
      const mounts = await readFile('/proc/self/mounts', 'utf8');
      expect(mounts).toMatch(new RegExp(`^tmpfs ${memory} tmpfs rw,nosuid,nodev.*size=1024k,mode=750`, 'm'));
      const [source, target] = [join(memory, 'source'), join(directory, 'target')];
      await writeFile(source, 'here');
      await writeFile(target, 'there');
      native().bindMount(source, target);
      expect(await readFile(target, 'utf8')).toBe('here');
      await run('umount', [target]);
      await run('umount', [memory]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  test('need a place', () => {
    expect(() => {
      native().mountTmpfs('/no/such/place', '');
    }).toThrow(refusal('INVALID'));
    expect(() => {
      native().bindMount('/no/such/place', '/tmp');
    }).toThrow(refusal('INVALID'));
    expect(() => {
      native().mountTmpfs('/tmp', 'no-such-option=1');
    }).toThrow(refusal('INVALID'));
  });
});
