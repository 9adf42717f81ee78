import { describe, expect, it } from 'vitest';
import { connectionFailed, exampleSession, exampleTunnel, now } from '../../../testing/examples.ts';
import { describeBriefly, describeSession } from './describe-session.ts';

const describeWith = (change: Parameters<typeof exampleSession>[0]) =>
  describeSession(exampleTunnel({ session: exampleSession(change) }), now);

describe('describeSession', () => {
  it('is calm before the first run', () => {
    expect(describeSession(exampleTunnel(), now)).toEqual({
      tone: 'idle',
      title: 'Not connected',
      detail: null,
      action: { kind: 'connect', label: 'Connect', enabled: true },
    });
  });

  it('says since when it is connected', () => {
    expect(describeWith({ status: 'connected', connectedDate: now - 12 * 60_000 })).toMatchObject({
      tone: 'good',
      title: 'Connected',
      detail: 'Since 14:18, for 12 min',
      action: { kind: 'disconnect', label: 'Disconnect' },
    });
  });

  it('tells what it is connecting for', () => {
    expect(describeWith({ status: 'connecting', statusReason: 'Waiting for the peer.' })).toMatchObject({
      tone: 'busy',
      title: 'Connecting…',
      detail: 'Waiting for the peer.',
      action: { kind: 'disconnect', label: 'Cancel', enabled: true },
    });
  });

  it('counts down to the next attempt and repeats why the last one failed', () => {
    expect(
      describeWith({
        status: 'disconnected',
        nextAttemptDate: now + 8000,
        lastEnd: { reason: 'connectionFailed', error: connectionFailed, at: now },
      }),
    ).toEqual({
      tone: 'busy',
      title: 'Waiting to try again',
      detail: 'The peer did not answer. Next attempt in 8 s.',
      action: { kind: 'disconnect', label: 'Cancel', enabled: true },
    });
  });

  it.each([-1, 0, 999])('waits on when the pause is about to end, %d ms before', (left) => {
    expect(describeWith({ nextAttemptDate: now + left })).toMatchObject({
      title: 'Waiting to try again',
      detail: 'Next attempt in a moment.',
    });
  });

  it('does not repeat an old failure during the next attempt', () => {
    const lastEnd = { reason: 'connectionFailed', error: connectionFailed, at: now } as const;
    expect(describeWith({ status: 'connecting', lastEnd })).toMatchObject({
      title: 'Connecting…',
      detail: null,
    });
  });

  it('keeps the time of connection while reasserting', () => {
    expect(
      describeWith({
        status: 'reasserting',
        statusReason: 'The network changed.',
        connectedDate: now - 1000,
      }),
    ).toMatchObject({
      tone: 'busy',
      title: 'Reconnecting…',
      detail: 'The network changed. Since 14:29, for 1 s',
    });
  });

  it('cannot be pressed while disconnecting', () => {
    expect(describeWith({ status: 'disconnecting' }).action.enabled).toBe(false);
  });

  it('says why a start failed, and when', () => {
    expect(
      describeWith({ lastEnd: { reason: 'connectionFailed', error: connectionFailed, at: now - 180_000 } }),
    ).toMatchObject({
      tone: 'bad',
      title: 'Could not connect',
      detail: 'The peer did not answer. (3 minutes ago)',
      action: { kind: 'connect', label: 'Try again', enabled: true },
    });
  });

  it('does not call the end of a running session a failed start', () => {
    expect(
      describeWith({ lastEnd: { reason: 'providerFailed', error: connectionFailed, at: now } }).title,
    ).toBe('Connection ended');
  });

  it('is calm after an end that was asked for', () => {
    expect(describeWith({ lastEnd: { reason: 'userInitiated', error: null, at: now } })).toMatchObject({
      tone: 'idle',
      detail: null,
    });
  });

  it('is calm after a person stopped what was failing', () => {
    expect(describeWith({ lastEnd: { reason: 'userInitiated', error: connectionFailed, at: now } })).toEqual({
      tone: 'idle',
      title: 'Not connected',
      detail: null,
      action: { kind: 'connect', label: 'Connect', enabled: true },
    });
  });

  it('explains an end that another tunnel caused', () => {
    expect(describeWith({ lastEnd: { reason: 'superceded', error: null, at: now } }).detail).toBe(
      'Stopped because another tunnel took its routes.',
    );
  });

  it('cannot start what is disabled or has no provider', () => {
    expect(describeSession(exampleTunnel({ isEnabled: false }), now).action.enabled).toBe(false);
    expect(describeWith({ status: 'invalid' }).action.enabled).toBe(false);
  });
});

describe('describeBriefly', () => {
  it('shows where an idle tunnel leads', () => {
    expect(describeBriefly(exampleTunnel(), now)).toBe('vpn.example.net:51820');
    expect(describeBriefly(exampleTunnel({ serverAddress: null }), now)).toBe('Not connected');
  });

  it('shows the state of any other', () => {
    const session = exampleSession({ status: 'connected', connectedDate: now });
    expect(describeBriefly(exampleTunnel({ session }), now)).toBe('Connected');
  });
});
