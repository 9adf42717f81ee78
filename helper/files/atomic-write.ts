import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { realFiles, type FileSteps } from './file-steps.ts';

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
export async function atomicWrite(
  path: string,
  data: string | Uint8Array,
  mode = 0o600,
  files: FileSteps = realFiles,
): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.${randomUUID()}${temporarySuffix}`);
  // Opened first: what can fail for want of a descriptor or a permission must fail while nothing has changed.
  await using parent = await files.open(directory, 'r');
  try {
    {
      await using file = await files.open(temporary, 'wx', mode);
      await file.writeFile(data);
      await file.sync();
    }
    await files.rename(temporary, path);
  } catch (error) {
    await files.remove(temporary);
    throw error;
  }
  // The new content is in place for every reader. To report a failure now would make callers undo half of it.
  await parent.sync().catch(() => undefined);
}

/** Removes a file for good; one that is not there is no error. */
export async function durableRemove(path: string, files: FileSteps = realFiles): Promise<void> {
  await files.remove(path);
  await using directory = await files.open(dirname(path), 'r');
  await directory.sync();
}

/** Removes what writes that a crash interrupted left in a directory. Only before anything is written there. */
export async function removeTemporaries(directory: string, files: FileSteps = realFiles): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.startsWith('.') && name.endsWith(temporarySuffix)) await files.remove(join(directory, name));
  }
}
