/** How long an imported secret waits for the configuration that will use it, in milliseconds. */
export const pendingLifetime = 3_600_000;

/** Most secrets that wait for one uid; the oldest goes when another comes. */
export const maximumPending = 100;

interface Pending {
  readonly uid: number;
  readonly expiresAt: number;
}

/** A timer that does not keep the process alive; returns how to cancel it. */
export type Delay = (callback: () => void, milliseconds: number) => () => void;

const systemDelay: Delay = (callback, milliseconds) => {
  const timer = setTimeout(callback, milliseconds).unref();
  return () => {
    clearTimeout(timer);
  };
};

/**
 * Secrets that were imported and that no configuration refers to yet (contract K4).
 *
 * Each may be used by the uid that imported it, for an hour. It is kept in memory alone: what a restart of the helper
 * forgets is collected then, as any secret that no configuration refers to. There is a timer only while one waits
 * (contract L14).
 */
export class PendingSecrets {
  readonly #expired: (references: readonly string[]) => void;
  readonly #now: () => number;
  readonly #delay: Delay;
  /** By reference, oldest first. */
  readonly #pending = new Map<string, Pending>();
  #cancel: (() => void) | null = null;

  /** @param expired removes secrets that nobody used in time */
  constructor(
    expired: (references: readonly string[]) => void,
    now: () => number = Date.now,
    delay: Delay = systemDelay,
  ) {
    this.#expired = expired;
    this.#now = now;
    this.#delay = delay;
  }

  /** Keeps a stored secret for the uid that imported it. */
  add(reference: string, uid: number): void {
    const own = [...this.#pending].filter(([, pending]) => pending.uid === uid);
    const surplus = own.slice(0, Math.max(0, own.length + 1 - maximumPending)).map(([oldest]) => oldest);
    for (const oldest of surplus) this.#pending.delete(oldest);
    this.#pending.set(reference, { uid, expiresAt: this.#now() + pendingLifetime });
    this.#schedule();
    if (surplus.length > 0) this.#expired(surplus);
  }

  /** Whether this uid imported it and may still use it. */
  has(reference: string, uid: number): boolean {
    const pending = this.#pending.get(reference);
    return pending?.uid === uid && pending.expiresAt > this.#now();
  }

  /** A configuration refers to it from now on. */
  settle(reference: string): void {
    if (this.#pending.delete(reference)) this.#schedule();
  }

  get size(): number {
    return this.#pending.size;
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #schedule(): void {
    this.stop();
    const [next] = this.#pending.values();
    if (next === undefined) return;
    this.#cancel = this.#delay(
      () => {
        this.#expire();
      },
      Math.max(0, next.expiresAt - this.#now()),
    );
  }

  #expire(): void {
    this.#cancel = null;
    const now = this.#now();
    const late = [...this.#pending]
      .filter(([, { expiresAt }]) => expiresAt <= now)
      .map(([reference]) => reference);
    for (const reference of late) this.#pending.delete(reference);
    this.#schedule();
    if (late.length > 0) this.#expired(late);
  }
}
