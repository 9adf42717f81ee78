import { chmod, lstat, mkdir } from 'node:fs/promises';

/**
 * Makes a directory that only its owner, this process's user, may enter, or checks that it is one.
 *
 * @throws {Error} it exists and is a link, no directory, or somebody else's
 */
export async function ensurePrivateDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
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
