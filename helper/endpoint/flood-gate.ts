/** Occurrences of one uid that are let through within a window. */
export const wholeOccurrences = 5;
/** Milliseconds that a window lasts; what came beyond those is told as a number at its end. */
export const floodWindow = 10_000;
/** Uids told apart at once; the others share one window. */
const maximumUids = 64;

/** Null stands for all uids that are not told apart. */
type Key = number | null;

interface Window<T> {
  count: number;
  held: number;
  last: T;
}

/** What a window held back, told at its end. */
export interface Held<T> {
  /** Null when it was not told apart from others. */
  readonly uid: number | null;
  readonly count: number;
  readonly last: T;
}

/**
 * Lets of each uid only a few of the same kind into the log within ten seconds, so that no uid can fill it.
 *
 * A timer runs only while a window is open.
 */
export class FloodGate<T> {
  readonly #windows = new Map<Key, Window<T>>();
  readonly #summarize: (held: Held<T>) => void;
  readonly #schedule: (callback: () => void, delay: number) => void;

  /** @param summarize called at the end of a window that held something back */
  constructor(
    summarize: (held: Held<T>) => void,
    schedule: (callback: () => void, delay: number) => void = scheduleQuietly,
  ) {
    this.#summarize = summarize;
    this.#schedule = schedule;
  }

  /** @returns whether it is to be logged whole; it is counted otherwise */
  admits(uid: number | null, one: T): boolean {
    const window = this.#window(this.#keyOf(uid), one);
    window.count += 1;
    window.last = one;
    if (window.count <= wholeOccurrences) return true;
    window.held += 1;
    return false;
  }

  /** Counts those of whom nothing is known, like one that is. */
  hold(count: number, like: T): void {
    this.#window(null, like).held += count;
  }

  #keyOf(uid: number | null): Key {
    return uid !== null && (this.#windows.has(uid) || this.#windows.size < maximumUids) ? uid : null;
  }

  #window(key: Key, one: T): Window<T> {
    let window = this.#windows.get(key);
    if (window === undefined) {
      window = { count: 0, held: 0, last: one };
      this.#windows.set(key, window);
      this.#schedule(() => {
        this.#close(key);
      }, floodWindow);
    }
    return window;
  }

  #close(key: Key): void {
    const window = this.#windows.get(key);
    this.#windows.delete(key);
    if (window === undefined || window.held === 0) return;
    this.#summarize({ uid: key, count: window.held, last: window.last });
  }
}

/** Whom a summary is about. */
export function whoOf(uid: number | null): string {
  return uid === null ? 'any uid' : `uid ${String(uid)}`;
}

function scheduleQuietly(callback: () => void, delay: number): void {
  setTimeout(callback, delay).unref();
}
