import { createHook } from 'node:async_hooks';
import { currentProvider, type ProviderOwner } from './provider-scope.ts';

/** Resources that go on by themselves; requests and ticks end on their own and do not count. */
const lasting: ReadonlyMap<string, string> = new Map(
  Object.entries({
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
    STATWATCHER: 'file watcher',
    SIGNALWRAP: 'signal handler',
  }),
);

/**
 * Knows what each provider instance left running (contract L5).
 *
 * Timers, sockets, workers and child processes are counted for the instance in whose scope they were made, from
 * `watch` to `unwatch`. Promises are not followed: they cost much and hold nothing by themselves.
 */
export class LeakWatch {
  /** Kinds of what is alive, by owner and by asynchronous id. */
  readonly #resources = new Map<ProviderOwner, Map<number, string>>();
  readonly #ownerOf = new Map<number, ProviderOwner>();

  constructor() {
    createHook({
      init: (id, type) => {
        const kind = lasting.get(type);
        const owner = kind === undefined ? null : currentProvider();
        if (kind === undefined || owner === null || !this.#resources.has(owner)) return;
        this.#resources.get(owner)?.set(id, kind);
        this.#ownerOf.set(id, owner);
      },
      destroy: (id) => {
        const owner = this.#ownerOf.get(id);
        if (owner === undefined) return;
        this.#ownerOf.delete(id);
        this.#resources.get(owner)?.delete(id);
      },
      trackPromises: false,
    }).enable();
  }

  watch(owner: ProviderOwner): void {
    this.#resources.set(owner, new Map());
  }

  /** What is still alive of an instance: kinds with their number, such as `{ timer: 2 }`. */
  alive(owner: ProviderOwner): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const kind of this.#resources.get(owner)?.values() ?? []) counts[kind] = (counts[kind] ?? 0) + 1;
    return counts;
  }

  unwatch(owner: ProviderOwner): void {
    for (const id of this.#resources.get(owner)?.keys() ?? []) this.#ownerOf.delete(id);
    this.#resources.delete(owner);
  }
}
