import type { SerializedError } from '@sallyport/shared/protocol/errors.ts';
import type { SessionEnd, SessionSnapshot, StopReason } from '@sallyport/shared/protocol/session.ts';

/**
 * Whether the helper waits to start a session again after a failure.
 *
 * It is `disconnected` for that long; an `invalid` one can announce an attempt, but none is made.
 */
export function isWaiting(session: SessionSnapshot | null): boolean {
  return session?.status === 'disconnected' && session.nextAttemptDate !== null;
}

/** Whether a session is up or wants to be: the helper does something for it, or will by itself. */
export function isUp(session: SessionSnapshot | null): boolean {
  if (session === null) return false;
  return (session.status !== 'disconnected' && session.status !== 'invalid') || isWaiting(session);
}

const asked: ReadonlySet<StopReason> = new Set([
  'userInitiated',
  'configurationDisabled',
  'configurationRemoved',
]);

/**
 * What went wrong, null when nothing did.
 *
 * A person who stops a failing session has its error in the record; the end is theirs all the same.
 */
export function failureOf(end: SessionEnd | null): SerializedError | null {
  return end === null || asked.has(end.reason) ? null : end.error;
}
