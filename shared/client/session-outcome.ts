import type { SerializedError } from '../protocol/errors.ts';
import type { SessionEnd, SessionSnapshot } from '../protocol/session.ts';

/** What a waiting `start` or `stop` makes of a session's facts. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'waiting' }
  /** Null when the session ended without an error of its own. */
  | { readonly kind: 'failed'; readonly error: SerializedError | null };

const waiting: Outcome = { kind: 'waiting' };
const done: Outcome = { kind: 'done' };

/**
 * Whether a start has succeeded, failed for good, or is still under way.
 *
 * @param before how the last run had ended when the start was asked for; the same end again is no news
 */
export function judgeStart(session: SessionSnapshot | undefined, before: SessionEnd | null): Outcome {
  if (session === undefined) return waiting;
  if (session.status === 'connected') return done;
  const isDown = session.status === 'disconnected' || session.status === 'invalid';
  // With another attempt announced the start goes on; without an end of its own it has not begun.
  if (!isDown || session.nextAttemptDate !== null || session.lastEnd === null) return waiting;
  if (isSameEnd(session.lastEnd, before)) return waiting;
  return { kind: 'failed', error: session.lastEnd.error };
}

/** Whether a stop is complete. */
export function judgeStop(session: SessionSnapshot | undefined): Outcome {
  if (session === undefined) return done;
  const isDown = session.status === 'disconnected' || session.status === 'invalid';
  return isDown && session.nextAttemptDate === null ? done : waiting;
}

function isSameEnd(end: SessionEnd, before: SessionEnd | null): boolean {
  return before !== null && end.at === before.at && end.reason === before.reason;
}
