import { chmod, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';
import { ensurePrivateDirectory } from './private-directory.ts';

const directory = useTemporaryDirectory();
const inside = (name: string): string => join(directory.path, name);
const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

describe('ensurePrivateDirectory', () => {
  it('makes it, with its parents, for its owner alone', async () => {
    await ensurePrivateDirectory(inside('a/b'));
    expect(await modeOf(inside('a'))).toBe(0o700);
    expect(await modeOf(inside('a/b'))).toBe(0o700);
  });

  it('takes from others what they may do in one that exists', async () => {
    await mkdir(inside('open'));
    await chmod(inside('open'), 0o777);
    await ensurePrivateDirectory(inside('open'));
    expect(await modeOf(inside('open'))).toBe(0o700);
  });

  it('refuses a file and a link, and says what to do', async () => {
    await writeFile(inside('file'), '');
    await mkdir(inside('target'));
    await symlink('target', inside('link'));
    await expect(ensurePrivateDirectory(inside('file'))).rejects.toThrow(/is not a directory. Remove it/);
    await expect(ensurePrivateDirectory(inside('link'))).rejects.toThrow(/is not a directory. Remove it/);
  });

  it("refuses somebody else's", async () => {
    await mkdir(inside('theirs'));
    const { uid } = await stat(inside('theirs'));
    vi.spyOn(process, 'geteuid').mockReturnValue(uid + 1);
    await expect(ensurePrivateDirectory(inside('theirs'))).rejects.toThrow(/belongs to uid \d+. Remove it/);
    vi.restoreAllMocks();
  });
});
