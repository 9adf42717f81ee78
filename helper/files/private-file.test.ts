import { execFileSync } from 'node:child_process';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';
import { readPrivateFile } from './private-file.ts';

const directory = useTemporaryDirectory();
const inside = (name: string): string => join(directory.path, name);
const write = async (content: string, mode = 0o600): Promise<string> => {
  await writeFile(inside('file'), content);
  await chmod(inside('file'), mode);
  return inside('file');
};

describe('readPrivateFile', () => {
  it('reads what is there, up to the largest size', async () => {
    const path = await write('secret');
    expect((await readPrivateFile(path, 6))?.toString()).toBe('secret');
    expect(await readPrivateFile(inside('none'), 6)).toBeNull();
    await expect(readPrivateFile(path, 5)).rejects.toThrow(/has 6 bytes; at most 5/);
  });

  it.each(['640', '604', '620', '601'])('refuses one of mode %s', async (digits) => {
    const mode = Number.parseInt(digits, 8);
    await expect(readPrivateFile(await write('secret', mode), 100)).rejects.toThrow(/open to other users/);
  });

  it('refuses somebody else’s', async () => {
    const path = await write('secret');
    const uid = process.geteuid?.() ?? 0;
    vi.spyOn(process, 'geteuid').mockReturnValue(uid + 1);
    await expect(readPrivateFile(path, 100)).rejects.toThrow(`belongs to uid ${String(uid)}`);
    vi.restoreAllMocks();
  });

  it('neither follows a link nor waits for what is no file', async () => {
    await symlink(await write('secret'), inside('link'));
    await expect(readPrivateFile(inside('link'), 100)).rejects.toThrow('ELOOP');
    await mkdir(inside('directory'), { mode: 0o700 });
    await expect(readPrivateFile(inside('directory'), 4096)).rejects.toThrow(/not a regular file/);
    execFileSync('mkfifo', ['-m', '600', inside('fifo')]);
    await expect(readPrivateFile(inside('fifo'), 100)).rejects.toThrow(/not a regular file/);
    await using server = createServer();
    await new Promise<void>((resolve) => server.listen(inside('socket'), resolve));
    await expect(readPrivateFile(inside('socket'), 100)).rejects.toThrow('ENXIO');
  });
});
