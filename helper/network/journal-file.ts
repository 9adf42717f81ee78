import { constants } from 'node:fs';
import { open, readFile, readlink, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { JournalStorage, SystemStamp } from './journal.ts';

/** The journal in a file of a directory that only root may enter. */
export class JournalFile implements JournalStorage {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<string> {
    try {
      await using file = await open(this.#path, constants.O_RDONLY | constants.O_NOFOLLOW);
      return await file.readFile('utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
      throw error;
    }
  }

  async append(text: string, durable: boolean): Promise<void> {
    const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
    await using file = await open(this.#path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    await file.writeFile(text);
    if (durable) await file.datasync();
  }

  async replace(text: string): Promise<void> {
    // Always the same name, so that nothing piles up where helpers die in between.
    const temporary = `${this.#path}.tmp`;
    await rm(temporary, { force: true });
    {
      await using file = await open(temporary, 'wx', 0o600);
      await file.writeFile(text);
      await file.sync();
    }
    await rename(temporary, this.#path);
    await using directory = await open(dirname(this.#path), 'r');
    await directory.sync();
  }
}

/** Names the running boot and the network namespace of this process. */
export async function currentStamp(): Promise<SystemStamp> {
  const [boot, namespace] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    readlink('/proc/self/ns/net'),
  ]);
  return { boot: boot.trim(), namespace };
}
