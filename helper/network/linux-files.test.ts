import { chmod, lstat, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readFileState, readSysctl, readText, replaceFile, writeSysctl } from './linux-files.ts';
import { textFile } from './testing.ts';

let directory: string;
let path: string;
let temporary: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'files-'));
  path = join(directory, 'resolv.conf');
  temporary = join(directory, '.tmp');
});
afterEach(() => rm(directory, { recursive: true }));

/** The test's own user may not give files away. */
const ours = (text: string, mode = 0o644): ReturnType<typeof textFile> => ({
  ...textFile(text),
  ...{ mode, uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 },
});

describe('replaceFile', () => {
  it('[F1] brings each state back as it was', async () => {
    const states = {
      file: async () => {
        await writeFile(path, 'nameserver 192.168.1.1\n');
        await chmod(path, 0o640);
      },
      symlink: () => symlink('../run/resolv.conf', path),
      absent: () => Promise.resolve(),
    };
    for (const prepare of Object.values(states)) {
      await prepare();
      const former = await readFileState(path);
      await writeFile(temporary, 'left by a crash');
      await replaceFile(path, ours('ours\n'), temporary);
      expect(await readFile(path, 'utf8')).toBe('ours\n');
      expect((await lstat(path)).mode & 0o777).toBe(0o644);
      await replaceFile(path, former, temporary);
      expect(await readFileState(path)).toEqual(former);
      expect((await readdir(directory)).filter((name) => name !== 'resolv.conf')).toEqual([]);
      await rm(path, { force: true });
    }
  });

  it('makes a directory for a file, and removes it again if it is empty', async () => {
    const deep = join(directory, 'conf.d', '90-ours.conf');
    const beside = join(directory, 'conf.d', '.tmp');
    const former = await readFileState(deep);
    expect(former).toEqual({ type: 'absent', hadDirectory: false });
    await replaceFile(deep, ours('x'), beside);
    await replaceFile(deep, former, beside);
    expect(await readdir(directory)).toEqual([]);
    await replaceFile(deep, ours('x'), beside);
    await writeFile(join(directory, 'conf.d', 'theirs'), '');
    await replaceFile(deep, former, beside);
    expect(await readdir(join(directory, 'conf.d'))).toEqual(['theirs']);
  });

  it('does not touch what is no file', async () => {
    await mkdir(path);
    await expect(readFileState(path)).rejects.toMatchObject({ code: 'FAILED' });
    await expect(replaceFile(path, ours('x'), temporary)).rejects.toMatchObject({ name: 'SystemError' });
    expect(await readdir(directory)).toEqual(['resolv.conf']);
    expect(await readText(path)).toBe(null);
  });

  it('reads through links, and nothing where they lead nowhere', async () => {
    await symlink('target', path);
    expect(await readText(path)).toBe(null);
    await writeFile(join(directory, 'target'), 'text');
    expect(await readText(path)).toBe('text');
    expect(await readFileState(path)).toEqual({ type: 'symlink', target: 'target' });
  });
});

describe('sysctls', () => {
  it('are read without their newline, and are null or an error where there are none', async () => {
    expect(await readSysctl('net/ipv4/conf/all/rp_filter')).toMatch(/^[012]$/);
    expect(await readSysctl('net/ipv4/conf/no-such-interface/rp_filter')).toBe(null);
    await expect(writeSysctl('net/ipv4/conf/no-such-interface/rp_filter', '1')).rejects.toMatchObject({
      name: 'SystemError',
    });
  });
});
