import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomUUID } from 'node:crypto';

/**
 * Replaces a file so that at every instant, power loss included, it holds its old or its new content.
 *
 * The bytes are synced before the rename and the directory after it, without which the rename itself may be lost.
 *
 * @param mode permission bits of the new file
 * @throws the system's error; the old file is then as it was
 */
export async function atomicWrite(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.${randomUUID()}.tmp`);
  try {
    await using file = await open(temporary, 'wx', mode);
    await file.writeFile(data);
    await file.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  try {
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(directory);
}

/** Removes a file for good; one that is not there is no error. */
export async function durableRemove(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path));
}

/** Temporary files a crash may have left end so. */
export const temporarySuffix = '.tmp';

async function syncDirectory(path: string): Promise<void> {
  let handle: FileHandle | null = null;
  try {
    handle = await open(path, 'r');
    await handle.sync();
  } finally {
    await handle?.close();
  }
}
