import { open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomUUID } from 'node:crypto';

/** Temporary files a crash may have left end so. */
const temporarySuffix = '.tmp';

/**
 * Replaces a file so that at every instant, power loss included, it holds its old or its new content.
 *
 * The bytes are synced before the rename, and the directory after it, without which a power loss may bring the old
 * content back.
 *
 * @param mode permission bits of the new file
 * @throws the system's error; the old file is then as it was
 */
export async function atomicWrite(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.${randomUUID()}${temporarySuffix}`);
  // Opened first: what can fail for want of a descriptor or a permission must fail while nothing has changed.
  await using parent = await open(directory, 'r');
  try {
    {
      await using file = await open(temporary, 'wx', mode);
      await file.writeFile(data);
      await file.sync();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  // The new content is in place for every reader. To report a failure now would make callers undo half of it.
  await parent.sync().catch(() => undefined);
}

/** Removes a file for good; one that is not there is no error. */
export async function durableRemove(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path));
}

/** Removes what writes that a crash interrupted left in a directory. Only before anything is written there. */
export async function removeTemporaries(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.startsWith('.') && name.endsWith(temporarySuffix))
      await rm(join(directory, name), { force: true });
  }
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, 'r');
  await directory.sync();
}
