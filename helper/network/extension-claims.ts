import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import type { IPFamily } from '@sallyport/shared/formats/cidr.ts';
import type { CategoryLog } from '../log/logger.ts';
import { isErrno } from './linux-files.ts';

/** What an extension holds of the routing that all extensions of a machine share. */
export interface ExtensionClaim {
  /** Families that it takes or blocks altogether. */
  readonly full: readonly IPFamily[];
  readonly tables: readonly number[];
}

export interface ForeignClaim extends ExtensionClaim {
  readonly identifier: string;
}

/** How the extensions of a machine tell each other of their full tunnels (contract L10). */
export interface ExtensionClaims {
  /** Replaces this extension's claim. */
  publish(claim: ExtensionClaim): Promise<void>;
  /** Claims of other extensions that run in this network. */
  others(): Promise<ForeignClaim[]>;
  withdraw(): Promise<void>;
}

const claimSchema = z.strictObject({
  version: z.literal(1),
  identifier: z.string().regex(/^[A-Za-z0-9.-]{1,155}$/),
  /** Who made it and since when, in clock ticks after boot: a number alone may be somebody else's by now. */
  process: z.strictObject({ pid: z.int().min(1), start: z.string().regex(/^\d+$/) }),
  /** Two extensions in different network namespaces have nothing to do with each other. */
  namespace: z.string().max(100),
  full: z.array(z.union([z.literal(4), z.literal(6)])).max(2),
  tables: z.array(z.int().min(1).max(4_294_967_295)).max(4096),
});

const maximumBytes = 100_000;

/**
 * One file per extension in a directory that only root can write, mode 0755 since nothing in it is secret.
 *
 * A claim counts while its process lives, so that nothing has to be tidied up after a crash.
 */
export class ClaimFiles implements ExtensionClaims {
  readonly #directory: string;
  readonly #identifier: string;
  readonly #namespace: string;
  readonly #log: CategoryLog;

  /** @param directory such as /run/sallyport/claims */
  constructor(directory: string, identifier: string, namespace: string, log: CategoryLog) {
    this.#directory = directory;
    this.#identifier = identifier;
    this.#namespace = namespace;
    this.#log = log;
  }

  async publish(claim: ExtensionClaim): Promise<void> {
    if (claim.full.length === 0 && claim.tables.length === 0) return this.withdraw();
    await mkdir(this.#directory, { recursive: true, mode: 0o755 });
    await refuseForeign(this.#directory);
    const start = await startOf(process.pid);
    const content: z.infer<typeof claimSchema> = {
      version: 1,
      identifier: this.#identifier,
      process: { pid: process.pid, start: start ?? '0' },
      namespace: this.#namespace,
      full: [...claim.full],
      tables: [...claim.tables],
    };
    // No name of chance: what a death in mid-write leaves is found and removed by the next start.
    await rm(this.#temporary(), { force: true });
    await using file = await open(this.#temporary(), 'wx', 0o644);
    await file.writeFile(JSON.stringify(content));
    await rename(this.#temporary(), this.#path());
  }

  async others(): Promise<ForeignClaim[]> {
    let names: string[];
    try {
      await refuseForeign(this.#directory);
      names = await readdir(this.#directory);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
    const claims: ForeignClaim[] = [];
    for (const name of names) {
      if (!name.endsWith('.json') || name === `${this.#identifier}.json`) continue;
      const claim = await this.#read(join(this.#directory, name));
      if (claim?.namespace !== this.#namespace) continue;
      if ((await startOf(claim.process.pid)) !== claim.process.start) continue;
      claims.push({ identifier: claim.identifier, full: claim.full, tables: claim.tables });
    }
    return claims;
  }

  async withdraw(): Promise<void> {
    for (const path of [this.#path(), this.#temporary()]) await rm(path, { force: true });
    // Other extensions' claims keep the one directory, sockets the other.
    await removeIfEmpty(this.#directory);
    await removeIfEmpty(dirname(this.#directory));
  }

  #path(): string {
    return join(this.#directory, `${this.#identifier}.json`);
  }

  #temporary(): string {
    return join(this.#directory, `.${this.#identifier}.tmp`);
  }

  async #read(path: string): Promise<z.infer<typeof claimSchema> | null> {
    try {
      await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const facts = await file.stat();
      if (!facts.isFile() || facts.size > maximumBytes) throw new Error('it is no small regular file');
      const parsed = claimSchema.safeParse(JSON.parse(await file.readFile('utf8')));
      if (parsed.success) return parsed.data;
      throw new Error('it is not a claim');
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return null;
      this.#log('warning', `${path} is ignored: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  }
}

async function removeIfEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY', 'ENOENT', 'EBUSY')) throw error;
  }
}

/** What others can write to could be made to name any extension as the holder of the routes. */
async function refuseForeign(directory: string): Promise<void> {
  const facts = await lstat(directory);
  if (!facts.isDirectory() || facts.uid !== process.geteuid?.() || (facts.mode & 0o022) !== 0) {
    throw new Error(`${directory} can be written by others. Remove it and connect again.`);
  }
}

/** When a process started, in clock ticks after boot; null if there is none (proc_pid_stat(5), field 22). */
async function startOf(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8');
    // The second field is the program's name in brackets, and may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return null;
    throw error;
  }
}
