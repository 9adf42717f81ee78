import { mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';
import { atomicWrite, durableRemove, removeTemporaries } from './atomic-write.ts';

const directory = useTemporaryDirectory();
const inside = (name: string): string => join(directory.path, name);

describe('atomicWrite', () => {
  it('makes and replaces a file with the given mode and leaves nothing else behind', async () => {
    await atomicWrite(inside('file'), 'old');
    expect((await stat(inside('file'))).mode & 0o777).toBe(0o600);
    await atomicWrite(inside('file'), new Uint8Array([110, 101, 119]), 0o644);
    expect(await readFile(inside('file'), 'utf8')).toBe('new');
    expect((await stat(inside('file'))).mode & 0o777).toBe(0o644);
    expect(await readdir(directory.path)).toEqual(['file']);
  });

  it('[K5] shows a reader the whole old or the whole new content while it writes', async () => {
    const contents = ['a', 'b'].map((letter) => letter.repeat(200_000));
    await atomicWrite(inside('file'), contents[0] ?? '');
    const write = async (): Promise<void> => {
      for (let round = 0; round < 10; round += 1)
        await atomicWrite(inside('file'), contents[round % 2] ?? '');
    };
    const read = async (): Promise<void> => {
      for (let round = 0; round < 50; round += 1) {
        expect(contents.includes(await readFile(inside('file'), 'utf8'))).toBe(true);
      }
    };
    await Promise.all([write(), read()]);
  });

  it('[K5] leaves what was there, and no temporary file, when it fails', async () => {
    await mkdir(inside('taken'));
    await writeFile(inside('taken/child'), 'kept');
    await expect(atomicWrite(inside('taken'), 'new')).rejects.toThrow();
    expect(await readFile(inside('taken/child'), 'utf8')).toBe('kept');
    expect(await readdir(directory.path)).toEqual(['taken']);
  });

  it('replaces a link itself and does not write through it', async () => {
    await writeFile(inside('victim'), 'kept');
    await symlink('victim', inside('link'));
    await atomicWrite(inside('link'), 'new');
    expect(await readFile(inside('victim'), 'utf8')).toBe('kept');
    expect(await readFile(inside('link'), 'utf8')).toBe('new');
  });

  it('fails in a directory that does not exist', async () => {
    await expect(atomicWrite(inside('missing/file'), 'new')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('removal', () => {
  it('removes a file, and minds no file that is not there', async () => {
    await writeFile(inside('file'), '');
    await durableRemove(inside('file'));
    await durableRemove(inside('file'));
    expect(await readdir(directory.path)).toEqual([]);
  });

  it('removes only what an interrupted write left', async () => {
    for (const name of ['.0b5c.tmp', 'kept.tmp', '.kept', 'kept']) await writeFile(inside(name), '');
    await removeTemporaries(directory.path);
    expect((await readdir(directory.path)).sort()).toEqual(['.kept', 'kept', 'kept.tmp']);
  });
});
