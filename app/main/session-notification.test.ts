import { expect, it } from 'vitest';
import { connectionFailed, exampleState, now } from '../testing/examples.ts';
import { sessionNotifications } from './session-notification.ts';

const failed = {
  status: 'disconnected',
  lastEnd: { reason: 'connectionFailed', error: connectionFailed, at: now },
} as const;
const stopped = {
  status: 'disconnected',
  lastEnd: { reason: 'userInitiated', error: null, at: now },
} as const;

it.each([
  ['is connected', { status: 'connecting' }, { status: 'connected' }],
  ['could not connect', { status: 'connecting' }, failed],
  ['was disconnected', { status: 'connected' }, failed],
  ['was disconnected', { status: 'reasserting' }, failed],
  ['lost its connection', { status: 'connected' }, { status: 'connecting' }],
] as const)('tells that a tunnel %s', (words, before, after) => {
  const told = sessionNotifications(exampleState(before), exampleState(after));
  expect(told.map((each) => each.title)).toEqual([`Tunnel 1 ${words}`]);
});

it.each([
  ['what the person did', { status: 'disconnecting' }, stopped],
  ['an unchanged status', { status: 'connected' }, { status: 'connected', statusReason: 'new' }],
  ['the way there', {}, { status: 'connecting' }],
] as const)('is silent about %s', (_what, before, after) => {
  expect(sessionNotifications(exampleState(before), exampleState(after))).toEqual([]);
});

it('quotes the reason of a failure', () => {
  const told = sessionNotifications(exampleState({ status: 'connecting' }), exampleState(failed));
  expect(told[0]?.body).toBe('The peer did not answer.');
});

it('says nothing of a tunnel it has not seen before', () => {
  expect(sessionNotifications(exampleState(), exampleState({ status: 'connected' }))).toEqual([]);
});
