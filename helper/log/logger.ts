import { jsonObjectSchema, type JsonObject } from '@sallyport/shared/protocol/json.ts';
import { maximumFrameBytes, maximumLogEntries } from '@sallyport/shared/protocol/limits.ts';
import { logLevels, type LogEntry, type LogLevel } from '@sallyport/shared/protocol/log.ts';

export interface LogContext {
  readonly configurationId?: string;
  readonly fields?: JsonObject;
}

type Listener = (entry: LogEntry) => void;

const longestMessage = 4000;
/** Largest `fields` of an entry, in characters of their JSON text; larger ones are left out. */
const largestFields = 8192;
/** What entries given to a client may have together, in characters of their JSON text: they share one frame. */
const largestAnswer = maximumFrameBytes / 4;

/** Whether a level is at least as grave as another. */
export function isAtLeast(level: LogLevel, least: LogLevel): boolean {
  return logLevels.indexOf(level) >= logLevels.indexOf(least);
}

/**
 * The helper's structured log: one JSON object a line on a stream, the newest 2,000 in memory for clients.
 *
 * JSON escapes newlines and control characters, so no message can forge a line or reach a terminal.
 */
export class Logger {
  readonly #write: (line: string) => void;
  readonly #now: () => number;
  readonly #level: LogLevel;
  readonly #entries: LogEntry[] = [];
  readonly #listeners = new Set<Listener>();
  #sequence = 0;

  /** @param level least level that is written out; memory keeps every level */
  constructor(write: (line: string) => void, options: { now?: () => number; level?: LogLevel } = {}) {
    this.#write = write;
    this.#now = options.now ?? Date.now;
    this.#level = options.level ?? 'info';
  }

  log(level: LogLevel, category: string, message: string, context: LogContext = {}): void {
    this.#sequence += 1;
    const entry: LogEntry = {
      time: this.#now(),
      sequence: this.#sequence,
      level,
      category: category.slice(0, 50),
      message: message.length > longestMessage ? `${message.slice(0, longestMessage - 1)}…` : message,
      ...(context.configurationId === undefined ? {} : { configurationId: context.configurationId }),
      ...(context.fields === undefined ? {} : { fields: plain(context.fields) }),
    };
    this.#entries.push(entry);
    if (this.#entries.length > maximumLogEntries) this.#entries.shift();
    if (isAtLeast(level, this.#level)) this.#write(`${escapeControls(JSON.stringify(entry))}\n`);
    for (const listener of this.#listeners) listener(entry);
  }

  /** The newest entries at or above a level that fit into one answer, oldest first. */
  recent(limit: number, level: LogLevel): LogEntry[] {
    const newest: LogEntry[] = [];
    let size = 0;
    for (const entry of this.#entries.toReversed()) {
      if (!isAtLeast(entry.level, level)) continue;
      size += JSON.stringify(entry).length;
      if (newest.length === limit || size > largestAnswer) break;
      newest.push(entry);
    }
    return newest.reverse();
  }

  /** Calls the listener with every later entry until the returned function is called. */
  follow(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The same log with a category and, if given, a configuration filled in. */
  child(category: string, configurationId?: string): CategoryLog {
    return (level, message, fields) => {
      this.log(level, category, message, {
        ...(configurationId === undefined ? {} : { configurationId }),
        ...(fields === undefined ? {} : { fields }),
      });
    };
  }
}

export type CategoryLog = (level: LogLevel, message: string, fields?: JsonObject) => void;

/** A copy that is JSON for certain, whatever a provider passed, and keeps nothing of the provider alive. */
function plain(fields: JsonObject): JsonObject {
  try {
    const text = JSON.stringify(fields);
    if (text.length > largestFields) return { leftOut: `fields of ${String(text.length)} characters` };
    return jsonObjectSchema.parse(JSON.parse(text));
  } catch {
    return { leftOut: 'fields that are not JSON' };
  }
}

/** JSON leaves DEL, C1 and bidirectional controls and the Unicode line separators as they are; a terminal does not. */
function escapeControls(json: string): string {
  return json.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
