import type { CategoryLog } from '../log/logger.ts';
import { FloodGate, floodWindow, whoOf } from './flood-gate.ts';

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

/**
 * Logs refused callers so that a flood of them can neither fill the log nor hide what else is in it (contract E2).
 *
 * Of each uid the first few in ten seconds are logged whole, the rest as one line with their number.
 */
export class RefusalLog {
  readonly #log: CategoryLog;
  readonly #gate: FloodGate<string>;

  constructor(log: CategoryLog, schedule?: (callback: () => void, delay: number) => void) {
    this.#log = log;
    this.#gate = new FloodGate(({ uid, count, last }) => {
      this.#log(
        'warning',
        `${String(count)} more callers of ${whoOf(uid)} were refused within ${String(floodWindow / 1000)} s; of the last one: ${last}.`,
        { uid, count },
      );
    }, schedule);
  }

  add({ pid, uid, executable, reason, unreported = 0 }: Refusal): void {
    if (this.#gate.admits(uid, reason)) {
      this.#log('warning', `A caller was refused: ${reason}.`, { pid, uid, executable });
    }
    // Not to be held against the one that happened to be reported.
    if (unreported > 0) this.#gate.hold(unreported, reason);
  }
}
