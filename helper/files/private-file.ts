import { constants, open } from 'node:fs/promises';

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;

/**
 * Reads a file that only this process's user may touch into one buffer, so that the caller can wipe what it read.
 *
 * Links are not followed, and neither a FIFO nor a device makes it wait.
 *
 * @returns null when there is none
 * @throws {Error} it is no regular file, somebody else's, open to others, or larger than allowed
 */
export async function readPrivateFile(path: string, maximumBytes: number): Promise<Buffer | null> {
  let file;
  try {
    file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  await using opened = file;
  const facts = await opened.stat();
  const owner = process.geteuid?.();
  if (!facts.isFile()) throw new Error(`${path} is not a regular file.`);
  if (facts.uid !== owner) throw new Error(`${path} belongs to uid ${String(facts.uid)}.`);
  if ((facts.mode & 0o077) !== 0) throw new Error(`${path} is open to other users.`);
  if (facts.size > maximumBytes) {
    throw new Error(`${path} has ${String(facts.size)} bytes; at most ${String(maximumBytes)} are expected.`);
  }
  const buffer = Buffer.alloc(facts.size);
  let length = 0;
  while (length < buffer.byteLength) {
    const { bytesRead } = await opened.read(buffer, length, buffer.byteLength - length);
    if (bytesRead === 0) throw new Error(`${path} became shorter while it was read.`);
    length += bytesRead;
  }
  return buffer;
}
