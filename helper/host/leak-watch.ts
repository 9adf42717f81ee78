import { createHook } from 'node:async_hooks';
import { currentProvider } from './provider-scope.ts';

/** Resources that go on by themselves; requests and ticks end on their own and do not count. */
const lasting: Readonly<Record<string, string>> = {
  Timeout: 'timer',
  TCPWRAP: 'TCP socket',
  TCPSERVERWRAP: 'TCP server',
  TLSWRAP: 'TLS socket',
  UDPWRAP: 'UDP socket',
  PIPEWRAP: 'Unix socket',
  PIPESERVERWRAP: 'Unix server',
  WORKER: 'worker',
  PROCESSWRAP: 'child process',
  FSEVENTWRAP: 'file watcher',
  SIGNALWRAP: 'signal handler',
};

/**
 * Knows what each provider instance left running (contract L5).
 *
 * Timers, sockets, workers and child processes are counted for the instance in whose scope they were made, from
 * `watch` to `unwatch`. Promises are not followed: they cost much and hold nothing by themselves.
 */
export class LeakWatch {
  readonly #runs = new Map<number, Map<number, string>>();
  readonly #ownerOf = new Map<number, number>();

  constructor() {
    createHook({
      init: (id, type) => {
        const kind = lasting[type];
        const owner = kind === undefined ? null : currentProvider();
        if (kind === undefined || owner === null) return;
        this.#runs.get(owner.run)?.set(id, kind);
        this.#ownerOf.set(id, owner.run);
      },
      destroy: (id) => {
        const run = this.#ownerOf.get(id);
        if (run === undefined) return;
        this.#ownerOf.delete(id);
        this.#runs.get(run)?.delete(id);
      },
      trackPromises: false,
    }).enable();
  }

  watch(run: number): void {
    this.#runs.set(run, new Map());
  }

  /** What is still alive of a run: kinds with their number, such as `{ timer: 2 }`. */
  alive(run: number): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const kind of this.#runs.get(run)?.values() ?? []) counts[kind] = (counts[kind] ?? 0) + 1;
    return counts;
  }

  unwatch(run: number): void {
    for (const id of this.#runs.get(run)?.keys() ?? []) this.#ownerOf.delete(id);
    this.#runs.delete(run);
  }
}
