import { expect, it } from 'vitest';
import { stopReasonSchema, type SessionEnd, type SessionStatus } from '@sallyport/shared/protocol/session.ts';
import { connectionFailed, exampleSession, now } from '../testing/examples.ts';
import { failureOf, isUp, isWaiting } from './session-facts.ts';

it.each([
  ['invalid', false],
  ['disconnected', false],
  ['connecting', true],
  ['connected', true],
  ['reasserting', true],
  ['disconnecting', true],
] as const satisfies readonly (readonly [SessionStatus, boolean])[])(
  'knows whether %s is up',
  (status, up) => {
    expect(isUp(exampleSession({ status }))).toBe(up);
    expect(isWaiting(exampleSession({ status }))).toBe(false);
  },
);

it('counts a session that waits for its next attempt as up', () => {
  const waiting = exampleSession({ nextAttemptDate: now + 1000 });
  expect([isWaiting(waiting), isUp(waiting)]).toEqual([true, true]);
});

it('expects no attempt of what cannot run, nor of what is unknown', () => {
  expect(isUp(exampleSession({ status: 'invalid', nextAttemptDate: now + 1000 }))).toBe(false);
  expect(isUp(null)).toBe(false);
});

it('finds no failure in an end that a person asked for, whatever failed before', () => {
  const end = (reason: SessionEnd['reason']): SessionEnd => ({ reason, error: connectionFailed, at: now });
  const calm = ['userInitiated', 'configurationDisabled', 'configurationRemoved'];
  for (const reason of stopReasonSchema.options) {
    expect(failureOf(end(reason)), reason).toBe(calm.includes(reason) ? null : connectionFailed);
  }
  expect(failureOf(null)).toBeNull();
});
