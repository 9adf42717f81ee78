import type { MethodRequest } from '@sallyport/shared/protocol/methods.ts';
import type { CategoryLog } from '../log/logger.ts';
import type { Subject } from './authorizer.ts';
import { FloodGate, floodWindow, whoOf } from './flood-gate.ts';

/**
 * Logs which verified clients come and go.
 *
 * Of each uid the first few within ten seconds, the rest as one line with their number: programs of one person that
 * connect again and again push nothing else out of the log.
 */
export class ClientLog {
  readonly #log: CategoryLog;
  readonly #arrivals: FloodGate<null>;
  readonly #drops: FloodGate<string>;
  /** Connections whose beginning was logged, so that their end is as well. */
  readonly #logged = new Set<number>();

  constructor(log: CategoryLog, schedule?: (callback: () => void, delay: number) => void) {
    this.#log = log;
    const within = `within ${String(floodWindow / 1000)} s`;
    this.#arrivals = new FloodGate(({ uid, count }) => {
      this.#log('info', `${String(count)} more clients of ${whoOf(uid)} connected ${within}.`, {
        uid,
        count,
      });
    }, schedule);
    this.#drops = new FloodGate(({ uid, count, last }) => {
      this.#log(
        'warning',
        `${String(count)} more clients of ${whoOf(uid)} were disconnected ${within}; the last one: ${last}.`,
        { uid, count },
      );
    }, schedule);
  }

  connected({ connection, peer: { pid, uid, executable } }: Subject): void {
    if (!this.#arrivals.admits(uid, null)) return;
    this.#logged.add(connection);
    this.#log('debug', 'A client connected.', { connection, pid, uid, executable });
  }

  /** @param client what it says it is, which nothing vouches for */
  greeted(
    { connection, peer: { pid, uid, executable } }: Subject,
    { name, version }: MethodRequest<'hello'>['client'],
  ): void {
    if (!this.#logged.has(connection)) return;
    this.#log('info', 'A client said hello.', { connection, pid, uid, executable, name, version });
  }

  /** It did what no honest client does. */
  dropped({ connection, peer: { uid } }: Subject, reason: string): void {
    if (this.#drops.admits(uid, reason)) {
      this.#log('warning', `A client was disconnected: ${reason}.`, { connection });
    }
  }

  ended({ connection }: Subject, reason: string): void {
    if (!this.#logged.delete(connection)) return;
    this.#log('debug', `A client's connection ended: ${reason}.`, { connection });
  }
}
