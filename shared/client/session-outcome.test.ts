import { expect, it } from 'vitest';
import type { SessionEnd, SessionSnapshot } from '../protocol/session.ts';
import { judgeStart, judgeStop } from './session-outcome.ts';
import { serverNotResponding } from './testing/fake-helper.ts';

const error = serverNotResponding();
const end: SessionEnd = { reason: 'connectionFailed', error, at: 1000 };
const down: SessionSnapshot = {
  configurationId: '0b0e7f1c-7f66-4d5e-9a1b-5c27f0e3a001',
  status: 'disconnected',
  connectedDate: null,
  statusReason: null,
  nextAttemptDate: null,
  instance: 0,
  virtualInterface: null,
  lastEnd: null,
};

it('takes connected for done', () => {
  expect(judgeStart({ ...down, status: 'connected' }, null)).toEqual({ kind: 'done' });
});

it.each(['connecting', 'reasserting', 'disconnecting'] as const)('waits through %s', (status) => {
  expect(judgeStart({ ...down, status, lastEnd: end }, null)).toEqual({ kind: 'waiting' });
});

it('takes a new end for a failure, and gives its error', () => {
  expect(judgeStart({ ...down, lastEnd: end }, null)).toEqual({ kind: 'failed', error });
  expect(judgeStart({ ...down, lastEnd: end }, { ...end, at: 999 })).toEqual({ kind: 'failed', error });
});

it('does not take the end before the start for one after it', () => {
  expect(judgeStart({ ...down, lastEnd: end }, end)).toEqual({ kind: 'waiting' });
});

it('waits for the next attempt where one is announced', () => {
  expect(judgeStart({ ...down, lastEnd: end, nextAttemptDate: 2000 }, null)).toEqual({ kind: 'waiting' });
});

it('takes a stop for done only when no attempt will follow', () => {
  expect(judgeStop(down)).toEqual({ kind: 'done' });
  expect(judgeStop(undefined)).toEqual({ kind: 'done' });
  expect(judgeStop({ ...down, nextAttemptDate: 2000 })).toEqual({ kind: 'waiting' });
  expect(judgeStop({ ...down, status: 'disconnecting' })).toEqual({ kind: 'waiting' });
});
