import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import { sessionEndSchema, type SessionEnd } from '@sallyport/shared/protocol/session.ts';
import { atomicWrite, removeTemporaries } from '../files/atomic-write.ts';
import type { CategoryLog } from '../log/logger.ts';

const fileSchema = z.strictObject({ version: z.literal(1), ends: z.record(z.uuid(), sessionEndSchema) });

/** How each configuration's last run ended, kept over a restart of the helper (contract L13). */
export interface EndStore {
  get(id: string): SessionEnd | null;
  set(id: string, end: SessionEnd): void;
  remove(id: string): void;
}

/** One small file, rewritten after each change; a change that could not be written is logged and kept in memory. */
export class FileEndStore implements EndStore {
  readonly #path: string;
  readonly #ends: Map<string, SessionEnd>;
  readonly #log: CategoryLog;
  #turn: Promise<void> = Promise.resolve();

  private constructor(path: string, ends: Map<string, SessionEnd>, log: CategoryLog) {
    this.#path = path;
    this.#ends = ends;
    this.#log = log;
  }

  /** @param path in a directory that exists and in which nothing else is being written */
  static async open(path: string, log: CategoryLog): Promise<FileEndStore> {
    await removeTemporaries(dirname(path));
    let ends = new Map<string, SessionEnd>();
    try {
      const { ends: stored } = fileSchema.parse(JSON.parse(await readFile(path, 'utf8')));
      ends = new Map(Object.entries(stored));
    } catch (error) {
      const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      if (!isMissing)
        log('warning', `How earlier sessions ended cannot be read from ${path}; it starts empty.`);
    }
    return new FileEndStore(path, ends, log);
  }

  get(id: string): SessionEnd | null {
    return this.#ends.get(id) ?? null;
  }

  set(id: string, end: SessionEnd): void {
    this.#ends.set(id, end);
    this.#write();
  }

  remove(id: string): void {
    if (this.#ends.delete(id)) this.#write();
  }

  /** Settles once everything is on disk. */
  flushed(): Promise<void> {
    return this.#turn;
  }

  #write(): void {
    this.#turn = this.#turn
      .then(() =>
        atomicWrite(this.#path, `${JSON.stringify({ version: 1, ends: Object.fromEntries(this.#ends) })}\n`),
      )
      .catch((error: unknown) => {
        this.#log('error', `How a session ended could not be stored in ${this.#path}.`, {
          error: String(error),
        });
      });
  }
}
