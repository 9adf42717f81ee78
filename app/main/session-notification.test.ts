import { expect, it } from 'vitest';
import type { SessionEnd, SessionSnapshot } from '@sallyport/shared/protocol/session.ts';
import { connectionFailed, exampleState, exampleTunnel, now } from '../testing/examples.ts';
import { sessionNews, type SessionStories } from './session-notification.ts';

type Snapshot = Partial<SessionSnapshot>;

/** What is told at each of the states that follow the first. */
function hear(...snapshots: readonly Snapshot[]): string[] {
  let stories: SessionStories = new Map();
  return snapshots.flatMap((snapshot) => {
    const news = sessionNews(stories, exampleState(snapshot));
    stories = news.stories;
    return news.notifications.map(({ title, body }) => `${title}: ${body}`);
  });
}

const end = (reason: SessionEnd['reason'], error: SessionEnd['error'] = connectionFailed): Snapshot => ({
  status: 'disconnected',
  lastEnd: { reason, error, at: now },
});
const idle: Snapshot = {};
const connecting: Snapshot = { status: 'connecting' };
const connected: Snapshot = { status: 'connected', connectedDate: now };
const reasserting: Snapshot = { status: 'reasserting', connectedDate: now };
const disconnecting: Snapshot = { status: 'disconnecting' };
const waiting: Snapshot = { ...end('connectionFailed'), nextAttemptDate: now + 1000 };

const isConnected = 'Tunnel 1 is connected: Traffic goes through the tunnel.';
const couldNot = 'Tunnel 1 could not connect: The peer did not answer.';
const wasDisconnected = 'Tunnel 1 was disconnected: The peer did not answer.';
const keepsTrying = 'Sallyport keeps trying.';

it('tells that a tunnel came up', () => {
  expect(hear(idle, connecting, connected)).toEqual([isConnected]);
});

it('tells once that a start failed while it is tried again, and then that it succeeded', () => {
  expect(
    hear(
      idle,
      ...[connecting, disconnecting, waiting],
      ...[connecting, disconnecting, waiting],
      ...[connecting, { ...connecting, statusReason: 'Waiting for the peer.' }, disconnecting, waiting],
      ...[connecting, connected],
    ),
  ).toEqual([`${couldNot} ${keepsTrying}`, isConnected]);
});

it('tells that a start failed for good', () => {
  expect(hear(idle, connecting, disconnecting, end('configurationFailed'))).toEqual([couldNot]);
});

it('tells when it gives up trying', () => {
  expect(
    hear(idle, connecting, disconnecting, waiting, connecting, disconnecting, end('authenticationCanceled')),
  ).toEqual([`${couldNot} ${keepsTrying}`, couldNot]);
});

it('tells of each series of attempts anew', () => {
  const series = [connecting, disconnecting, waiting, end('connectionFailed')];
  expect(hear(idle, ...series, ...series)).toEqual([
    `${couldNot} ${keepsTrying}`,
    `${couldNot} ${keepsTrying}`,
  ]);
});

it('takes a start that follows an end at once for a new series', () => {
  expect(
    hear(
      idle,
      connecting,
      disconnecting,
      waiting,
      connecting,
      disconnecting,
      connecting,
      disconnecting,
      waiting,
    ),
  ).toEqual([`${couldNot} ${keepsTrying}`, `${couldNot} ${keepsTrying}`]);
});

it.each([
  ['connected', [connected]],
  ['reasserting', [connected, reasserting]],
] as const)('says why a %s tunnel ended by itself', (_status, before) => {
  expect(hear(...before, disconnecting, end('providerFailed'))).toEqual([wasDisconnected]);
});

it('tells once of a running tunnel that fails, until it is back', () => {
  const again = { ...end('providerFailed'), nextAttemptDate: now + 1000 };
  expect(
    hear(connected, disconnecting, again, connecting, disconnecting, waiting, connecting, connected),
  ).toEqual([`${wasDisconnected} ${keepsTrying}`, isConnected]);
});

it('needs no reason to tell of a running tunnel that is started again', () => {
  const again = { ...end('providerFailed', null), nextAttemptDate: now + 1000 };
  expect(hear(connected, disconnecting, again)).toEqual([`Tunnel 1 was disconnected: ${keepsTrying}`]);
});

it.each([
  ['a stop', [connected, disconnecting, end('userInitiated', null)]],
  ['a stop of a failing session', [connected, disconnecting, end('userInitiated')]],
  ['a cancelled start', [idle, connecting, disconnecting, end('userInitiated', null)]],
  ['cancelled retries', [waiting, end('connectionFailed')]],
  [
    'a disabled configuration',
    [connected, disconnecting, { ...end('configurationDisabled'), status: 'invalid' }],
  ],
  ['mending', [connected, reasserting, connected]],
  ['news of an unchanged status', [connected, { ...connected, statusReason: 'new' }]],
  ['the way there', [idle, connecting]],
  ['retries that began before the app', [waiting, connecting, disconnecting, waiting]],
] as const)('is silent about %s', (_what, snapshots) => {
  expect(hear(...snapshots)).toEqual([]);
});

it('says nothing of a tunnel it has not seen before, and forgets one that is gone', () => {
  const first = sessionNews(new Map(), exampleState(connected));
  expect(first.notifications).toEqual([]);
  expect(sessionNews(first.stories, exampleState()).stories.size).toBe(0);
});

it('tells of a tunnel whose session was not known at first', () => {
  const before = { ...exampleState(), tunnels: [exampleTunnel()] };
  const { stories } = sessionNews(new Map(), before);
  expect(sessionNews(stories, exampleState(connected)).notifications).toHaveLength(1);
});
