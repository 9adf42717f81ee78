import { chmod, lstat, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { realFiles, type FileSteps } from './file-steps.ts';

/**
 * Makes a directory that only its owner, this process's user, may enter, or checks that it is one.
 *
 * A power loss later on leaves it there, with what was synced in it.
 *
 * @throws {Error} it exists and is a link, no directory, or somebody else's
 */
export async function ensurePrivateDirectory(path: string, files: FileSteps = realFiles): Promise<void> {
  try {
    const first = await mkdir(path, { recursive: true, mode: 0o700 });
    if (first !== undefined) await syncNames(dirname(first), dirname(path), files);
  } catch (error) {
    // Something other than a directory is there; what it is, is said below.
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  const facts = await lstat(path);
  if (!facts.isDirectory()) {
    throw new Error(`${path} is not a directory. Remove it and start the helper again.`);
  }
  if (facts.uid !== process.geteuid?.()) {
    throw new Error(`${path} belongs to uid ${String(facts.uid)}. Remove it and start the helper again.`);
  }
  if ((facts.mode & 0o077) !== 0) await chmod(path, 0o700);
}

/** Syncs the directories from the innermost up to the outermost, in which new ones got their names. */
async function syncNames(outermost: string, innermost: string, files: FileSteps): Promise<void> {
  {
    await using directory = await files.open(innermost, 'r');
    await directory.sync();
  }
  if (innermost !== outermost && innermost !== dirname(innermost))
    await syncNames(outermost, dirname(innermost), files);
}
