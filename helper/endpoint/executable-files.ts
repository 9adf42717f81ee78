import { createHash } from 'node:crypto';
import { constants, type BigIntStats } from 'node:fs';
import { lstat, open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { CallerRequirement, ExecutableFile } from './caller.ts';

/** The effect behind the caller requirement: looks at the file of a required executable. */
export interface ExecutableFiles {
  /**
   * Says what lies at a path now.
   *
   * Never rejects.
   *
   * @param withDigest whether the content counts; it is read once for as long as the file stays as it is
   * @returns null when it cannot be read
   */
  inspect(path: string, withDigest: boolean): Promise<ExecutableFile | null>;
}

/**
 * Makes the digests that callers will be asked for, in the background, so that nobody's first connection waits for a
 * slow disk longer than its deadline. One that is made already, or is being made, is not made twice.
 */
export function warmDigests(files: ExecutableFiles, { executables, developerUid }: CallerRequirement): void {
  if (developerUid !== null) return;
  for (const { path, sha256 } of executables) {
    if (sha256 !== null) void files.inspect(path, true);
  }
}

const chunkBytes = 256 * 1024;
/** Digests kept at once; there are as many as the manifest has executables, and one more after an upgrade. */
const maximumDigests = 16;
const writableByOthers = 0o022n;

/** The real files. */
export class LinuxExecutableFiles implements ExecutableFiles {
  /** By what identifies a content: device, inode, time of the last change, size. Callers at once share one reading. */
  readonly #digests = new Map<string, Promise<string | null>>();

  async inspect(path: string, withDigest: boolean): Promise<ExecutableFile | null> {
    let file: FileHandle | null = null;
    try {
      // Opened first: whatever the path leads to a moment later, the facts are those of one file.
      file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const facts = await file.stat({ bigint: true });
      if (!facts.isFile()) return null;
      return {
        device: String(facts.dev),
        inode: String(facts.ino),
        owner: Number(facts.uid),
        mode: Number(facts.mode & 0o7777n),
        weakDirectory: await weakDirectory(path),
        digest: withDigest ? await this.#digest(file, facts) : null,
      };
    } catch {
      return null;
    } finally {
      await file?.close().catch(() => undefined);
    }
  }

  #digest(file: FileHandle, facts: BigIntStats): Promise<string | null> {
    const key = identityOf(facts);
    const known = this.#digests.get(key);
    if (known !== undefined) return known;
    const digest = digestOf(file, key).then(
      (found) => {
        if (found === null) this.#digests.delete(key);
        return found;
      },
      () => {
        this.#digests.delete(key);
        return null;
      },
    );
    this.#digests.set(key, digest);
    for (const oldest of this.#digests.keys()) {
      if (this.#digests.size <= maximumDigests) break;
      this.#digests.delete(oldest);
    }
    return digest;
  }
}

function identityOf({ dev, ino, ctimeNs, size }: BigIntStats): string {
  return [dev, ino, ctimeNs, size].map(String).join(' ');
}

/** @returns null when the file changed meanwhile */
async function digestOf(file: FileHandle, identity: string): Promise<string | null> {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(chunkBytes);
  for (let position = 0; ;) {
    const { bytesRead } = await file.read(chunk, 0, chunkBytes, position);
    if (bytesRead === 0) break;
    hash.update(chunk.subarray(0, bytesRead));
    position += bytesRead;
  }
  return identityOf(await file.stat({ bigint: true })) === identity ? hash.digest('hex') : null;
}

/** The directory nearest to the root of the path through which others than root could put another file there. */
async function weakDirectory(path: string): Promise<string | null> {
  const directories: string[] = [];
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    directories.unshift(directory);
    if (directory === dirname(directory)) break;
  }
  for (const directory of directories) {
    const facts = await lstat(directory, { bigint: true });
    const isFit = facts.isDirectory() && facts.uid === 0n && (facts.mode & writableByOthers) === 0n;
    if (!isFit) return directory;
  }
  return null;
}
