import { EndpointError } from '@sallyport/shared/protocol/errors.ts';
import {
  maximumRequestsPerConnection,
  maximumRequestsPerUid,
  requestBurst,
  requestsPerSecond,
} from '@sallyport/shared/protocol/limits.ts';

interface Uid {
  /** What is left of the burst at `at`. */
  tokens: number;
  at: number;
  inFlight: number;
}

/** Uids remembered at once; those that have been quiet for some seconds need not be. */
const maximumUids = 512;
/** Milliseconds after which to try again when too many requests wait; nobody knows when one is answered. */
const pauseWhenFull = 200;

/** How many requests a uid may make, per second and at once, over all its connections. */
export class RequestLimits {
  readonly #now: () => number;
  readonly #uids = new Map<number, Uid>();

  /** @param now milliseconds of a clock that does not go back */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Uids that are remembered. */
  get size(): number {
    return this.#uids.size;
  }

  /**
   * Lets a request in, or says when to try again.
   *
   * @param waiting requests of the same connection that wait for their answers
   * @returns null when it is in; `release` must follow
   */
  admit(uid: number, waiting: number): EndpointError | null {
    if (waiting >= maximumRequestsPerConnection) {
      return refusal(`${String(waiting)} requests of this program wait for their answers.`, pauseWhenFull);
    }
    if (uid === 0) return null;
    const entry = this.#entry(uid);
    if (entry.inFlight >= maximumRequestsPerUid) {
      return refusal(
        `${String(entry.inFlight)} requests of this user wait for their answers.`,
        pauseWhenFull,
      );
    }
    if (entry.tokens < 1) {
      const retryAfter = Math.ceil(((1 - entry.tokens) * 1000) / requestsPerSecond);
      return refusal(`This user makes more than ${String(requestsPerSecond)} requests a second.`, retryAfter);
    }
    entry.tokens -= 1;
    entry.inFlight += 1;
    return null;
  }

  /** A request that was let in has been answered, or its connection is gone. */
  release(uid: number): void {
    const entry = this.#uids.get(uid);
    if (entry !== undefined) entry.inFlight -= 1;
  }

  #entry(uid: number): Uid {
    const now = this.#now();
    let entry = this.#uids.get(uid);
    if (entry === undefined) {
      entry = { tokens: requestBurst, at: now, inFlight: 0 };
      this.#uids.set(uid, entry);
      if (this.#uids.size > maximumUids) this.#forgetQuiet(uid);
    }
    refill(entry, now);
    return entry;
  }

  /** Forgets whoever would get a full burst again anyway, and if nobody would, whoever came first and waits for nothing. */
  #forgetQuiet(except: number): void {
    const now = this.#now();
    let first: number | null = null;
    for (const [uid, entry] of this.#uids) {
      if (entry.inFlight > 0 || uid === except) continue;
      refill(entry, now);
      if (entry.tokens >= requestBurst) this.#uids.delete(uid);
      else first ??= uid;
    }
    if (this.#uids.size > maximumUids && first !== null) this.#uids.delete(first);
  }
}

function refill(entry: Uid, now: number): void {
  const earned = (Math.max(0, now - entry.at) * requestsPerSecond) / 1000;
  entry.tokens = Math.min(requestBurst, entry.tokens + earned);
  entry.at = now;
}

/** Refusals made before, by what they say: a flood is answered with the same few, and each costs a stack trace. */
const refusals = new Map<string, EndpointError>();
const keptRefusals = 128;

function refusal(what: string, retryAfter: number): EndpointError {
  const message = `${what} Try again in ${String(retryAfter)} ms.`;
  const error =
    refusals.get(message) ?? new EndpointError('tooManyRequests', message, { details: { retryAfter } });
  if (refusals.size < keptRefusals) refusals.set(message, error);
  return error;
}
