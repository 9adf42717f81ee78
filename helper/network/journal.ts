import * as z from 'zod';
import type { CategoryLog } from '../log/logger.ts';
import { beforeSchema, changeSchema, type Before, type Change } from './change.ts';

/** Where the journal's text lies; a file, or memory in tests. */
export interface JournalStorage {
  /** All of it, a torn end included; empty if there is none. */
  read(): Promise<string>;
  /** Resolves when the text is on disk (`durable`) or with the kernel. */
  append(text: string, durable: boolean): Promise<void>;
  /** Holds the old or the new text at every instant. */
  replace(text: string): Promise<void>;
}

/** Which system the changes were made to. */
export interface SystemStamp {
  /** /proc/sys/kernel/random/boot_id */
  readonly boot: string;
  /** The network namespace, as /proc/self/ns/net names it. */
  readonly namespace: string;
}

const willSchema = z.strictObject({
  op: z.literal('will'),
  id: z.int().min(1),
  boot: z.string().max(100),
  namespace: z.string().max(100),
  extension: z.string().max(255),
  /** Null for what belongs to the helper or to several sessions. */
  session: z.string().max(255).nullable(),
  change: changeSchema,
  before: beforeSchema,
});
const settledSchema = z.strictObject({
  op: z.literal('settled'),
  done: z.array(z.int()),
  undone: z.array(z.int()),
});
const lineSchema = z.discriminatedUnion('op', [willSchema, settledSchema]);

/** A change that was begun and is not undone. */
export type JournalEntry = Omit<z.infer<typeof willSchema>, 'op'>;

/** Lines of changes long undone that may pile up before the file is written anew. */
const tolerableWaste = 2000;

/**
 * What has to be undone, on disk before it is done (contract F1).
 *
 * One JSON object a line: `will` before a change, with its former state, and `settled` with the numbers that were
 * done or undone. An end torn by a crash is a change that was never begun, since nothing is begun before its line is
 * on disk. The file is emptied when nothing is left to undo.
 */
export class Journal {
  readonly #storage: JournalStorage;
  readonly #stamp: SystemStamp;
  readonly #extension: string;
  readonly #pending: Map<number, JournalEntry>;
  #nextId: number;
  #waste = 0;
  #isClean = true;

  private constructor(
    storage: JournalStorage,
    stamp: SystemStamp,
    extension: string,
    pending: Map<number, JournalEntry>,
    nextId: number,
  ) {
    this.#storage = storage;
    this.#stamp = stamp;
    this.#extension = extension;
    this.#pending = pending;
    this.#nextId = nextId;
  }

  /** @throws the storage's error; a line that cannot be read is logged and left out */
  static async open(
    storage: JournalStorage,
    stamp: SystemStamp,
    extension: string,
    log: CategoryLog,
  ): Promise<Journal> {
    const text = await storage.read();
    const lines = text.split('\n');
    const torn = lines.pop() ?? '';
    if (torn !== '')
      log('notice', 'The network journal ends in the middle of a line, which was never acted on.');
    const pending = new Map<number, JournalEntry>();
    let last = 0;
    for (const [index, line] of lines.entries()) {
      const parsed = lineSchema.safeParse(parseJson(line));
      if (!parsed.success) {
        log(
          'error',
          `Line ${String(index + 1)} of the network journal cannot be read; what it tells is not undone.`,
        );
      } else if (parsed.data.op === 'will') {
        const { op: _, ...entry } = parsed.data;
        pending.set(entry.id, entry);
        last = Math.max(last, entry.id);
      } else {
        for (const id of parsed.data.undone) pending.delete(id);
      }
    }
    const journal = new Journal(storage, stamp, extension, pending, last + 1);
    if (text !== '') await journal.#compact();
    return journal;
  }

  /** Oldest first. */
  get pending(): JournalEntry[] {
    return [...this.#pending.values()];
  }

  /** Whether an entry was made to this very boot and network namespace. */
  isOfThisSystem(entry: JournalEntry): boolean {
    return entry.boot === this.#stamp.boot && entry.namespace === this.#stamp.namespace;
  }

  /**
   * Announces changes; when it resolves they may be made.
   *
   * @returns a number for each, in order
   */
  async will(
    announced: readonly {
      readonly session: string | null;
      readonly change: Change;
      readonly before: Before;
    }[],
  ): Promise<number[]> {
    if (announced.length === 0) return [];
    const entries = announced.map(({ session, change, before }): JournalEntry => {
      const id = this.#nextId;
      this.#nextId += 1;
      return { id, ...this.#stamp, extension: this.#extension, session, change, before };
    });
    await this.#append(entries.map(willLine).join(''), true);
    for (const entry of entries) this.#pending.set(entry.id, entry);
    return entries.map((entry) => entry.id);
  }

  /** Notes what became of announced changes. */
  async settle(done: readonly number[], undone: readonly number[]): Promise<void> {
    if (done.length === 0 && undone.length === 0) return;
    for (const id of undone) this.#pending.delete(id);
    this.#waste += 1 + undone.length;
    if (this.#pending.size === 0 || this.#waste > tolerableWaste + this.#pending.size) await this.#compact();
    // Undoing twice does no harm, so this line need not wait for the disk.
    else await this.#append(`${JSON.stringify({ op: 'settled', done, undone })}\n`, false);
  }

  async #append(text: string, durable: boolean): Promise<void> {
    if (!this.#isClean) await this.#compact();
    try {
      await this.#storage.append(text, durable);
    } catch (error) {
      // Half a line may be there; the next one must not be glued to it.
      this.#isClean = false;
      throw error;
    }
  }

  async #compact(): Promise<void> {
    await this.#storage.replace(this.pending.map(willLine).join(''));
    this.#waste = 0;
    this.#isClean = true;
  }
}

function willLine(entry: JournalEntry): string {
  return `${JSON.stringify({ op: 'will', ...entry })}\n`;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
