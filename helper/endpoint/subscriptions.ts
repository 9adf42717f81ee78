import type { NotificationName, NotificationParams } from '@sallyport/shared/protocol/methods.ts';

type Sequenced = Exclude<NotificationName, 'log.entry'>;
/** Sends a notification to one connection; one that is gone is no error. */
export type Send = <N extends NotificationName>(
  connection: number,
  name: N,
  params: NotificationParams<N>,
) => void;

interface Subscription {
  sequence: number;
  /** Notifications that came before the snapshot's answer was written; null once it was. */
  early: (() => void)[] | null;
}

/**
 * Who gets every change, in order, numbered from the snapshot on without gaps (contract E8).
 *
 * The answer with the snapshot must reach the client before the first notification, so those that arise in the same
 * turn wait for the next.
 */
export class Subscriptions {
  readonly #send: Send;
  readonly #subscribed = new Map<number, Subscription>();

  constructor(send: Send) {
    this.#send = send;
  }

  /** @returns the sequence that the snapshot taken right now contains */
  subscribe(connection: number): number {
    const subscription: Subscription = { sequence: 0, early: [] };
    this.#subscribed.set(connection, subscription);
    setImmediate(() => {
      const early = subscription.early ?? [];
      subscription.early = null;
      // A client that has gone, or subscribed again, gets nothing of its old subscription.
      if (this.#subscribed.get(connection) !== subscription) return;
      for (const send of early) send();
    });
    return 0;
  }

  unsubscribe(connection: number): void {
    this.#subscribed.delete(connection);
  }

  /** Numbers are given only to what a client does get, so that nobody learns from a gap what others are told. */
  publish<N extends Sequenced>(
    connection: number,
    name: N,
    make: (sequence: number) => NotificationParams<N>,
  ): void {
    const subscription = this.#subscribed.get(connection);
    if (subscription === undefined) return;
    subscription.sequence += 1;
    const params = make(subscription.sequence);
    const send = (): void => {
      this.#send(connection, name, params);
    };
    if (subscription.early === null) send();
    else subscription.early.push(send);
  }
}
