import type { CategoryLog } from '../log/logger.ts';

/** A caller that was turned away. */
export interface Refusal {
  /** Null when the kernel would not say. */
  readonly pid: number | null;
  readonly uid: number | null;
  readonly executable: string | null;
  readonly reason: string;
  /** How many more there were of whom nothing is known, their uids neither. */
  readonly unreported?: number;
}

/** Refusals of one uid that are logged whole within a window. */
export const wholeRefusals = 5;
/** Milliseconds that a window lasts; what came beyond those is one line at its end. */
export const refusalWindow = 10_000;
/** Uids told apart at once; the others share one window. */
const maximumUids = 64;

interface Window {
  count: number;
  suppressed: number;
  lastReason: string;
}

/**
 * Logs refused callers so that a flood of them can neither fill the log nor hide what else is in it (contract E2).
 *
 * Of each uid the first few in ten seconds are logged whole, the rest as one line with their number. A timer runs
 * only while such a window is open.
 */
export class RefusalLog {
  readonly #log: CategoryLog;
  readonly #windows = new Map<number | 'others', Window>();
  readonly #schedule: (callback: () => void, delay: number) => void;

  constructor(log: CategoryLog, schedule: (callback: () => void, delay: number) => void = scheduleQuietly) {
    this.#log = log;
    this.#schedule = schedule;
  }

  add({ pid, uid, executable, reason, unreported = 0 }: Refusal): void {
    const key = uid !== null && (this.#windows.has(uid) || this.#windows.size < maximumUids) ? uid : 'others';
    const window = this.#window(key, reason);
    window.count += 1;
    window.lastReason = reason;
    if (window.count > wholeRefusals) window.suppressed += 1;
    else this.#log('warning', `A caller was refused: ${reason}.`, { pid, uid, executable });
    // Not to be held against the one that happened to be reported.
    if (unreported > 0) this.#window('others', reason).suppressed += unreported;
  }

  #window(key: number | 'others', reason: string): Window {
    let window = this.#windows.get(key);
    if (window === undefined) {
      window = { count: 0, suppressed: 0, lastReason: reason };
      this.#windows.set(key, window);
      this.#schedule(() => {
        this.#close(key);
      }, refusalWindow);
    }
    return window;
  }

  #close(key: number | 'others'): void {
    const window = this.#windows.get(key);
    this.#windows.delete(key);
    if (window === undefined || window.suppressed === 0) return;
    const who = key === 'others' ? 'any uid' : `uid ${String(key)}`;
    this.#log(
      'warning',
      `${String(window.suppressed)} more callers of ${who} were refused within ${String(refusalWindow / 1000)} s; of the last one: ${window.lastReason}.`,
      { uid: key === 'others' ? null : key, count: window.suppressed },
    );
  }
}

function scheduleQuietly(callback: () => void, delay: number): void {
  setTimeout(callback, delay).unref();
}
