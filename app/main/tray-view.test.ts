import { describe, expect, it } from 'vitest';
import type { SessionSnapshot } from '@sallyport/shared/protocol/session.ts';
import {
  connectionFailed,
  exampleId,
  exampleState,
  exampleTunnel,
  now,
  unreachable,
} from '../testing/examples.ts';
import { trayView } from './tray-view.ts';

const labels = (...sessions: readonly Partial<SessionSnapshot>[]) =>
  trayView(exampleState(...sessions)).items.map((item) => item?.label ?? '-');

const waiting = {
  status: 'disconnected',
  nextAttemptDate: now + 8000,
  lastEnd: { reason: 'connectionFailed', error: connectionFailed, at: now },
} as const;

describe('trayView', () => {
  it('offers what fits each state', () => {
    expect(
      labels(
        {},
        { status: 'connecting' },
        { status: 'connected', connectedDate: now },
        { status: 'reasserting' },
        { status: 'disconnecting' },
        { status: 'invalid' },
      ),
    ).toEqual([
      'Connected: Tunnel 3, Reconnecting: Tunnel 4, Connecting: Tunnel 2, Disconnecting: Tunnel 5',
      '-',
      'Connect Tunnel 1',
      'Cancel connecting Tunnel 2',
      'Disconnect Tunnel 3',
      'Disconnect Tunnel 4',
      'Disconnecting Tunnel 5…',
      'Tunnel 6 (not available)',
      '-',
      'Open Sallyport',
      'Quit',
    ]);
  });

  it('has no empty section when there is no tunnel', () => {
    expect(labels()).toEqual(['Not connected', '-', 'Open Sallyport', 'Quit']);
  });

  it('lets a person stop a tunnel that waits to be tried again', () => {
    const { tooltip, items } = trayView(exampleState(waiting));
    expect(tooltip).toBe('Sallyport – Waiting to try again: Tunnel 1');
    expect(items[2]).toEqual({
      label: 'Cancel connecting Tunnel 1',
      command: { kind: 'disconnect', id: exampleId(1) },
    });
  });

  it('gives each command the id of its tunnel', () => {
    const { items } = trayView(exampleState({}, { status: 'connected' }));
    expect(items[2]).toEqual({ label: 'Connect Tunnel 1', command: { kind: 'connect', id: exampleId(1) } });
    expect(items[3]).toEqual({
      label: 'Disconnect Tunnel 2',
      command: { kind: 'disconnect', id: exampleId(2) },
    });
  });

  it('does not offer a disabled configuration', () => {
    const state = { ...exampleState(), tunnels: [exampleTunnel({ isEnabled: false })] };
    expect(trayView(state).items[2]).toEqual({ label: 'Tunnel 1 (not available)', command: null });
  });

  it.each([
    ['disconnected', exampleState({})],
    ['disconnected', exampleState()],
    ['connecting', exampleState({ status: 'connecting' }, { status: 'connected' })],
    ['connecting', exampleState({ status: 'reasserting' })],
    ['connecting', exampleState(waiting)],
    ['connected', exampleState({ status: 'connected' }, {})],
    ['error', exampleState({ lastEnd: { reason: 'connectionFailed', error: connectionFailed, at: now } })],
    [
      'disconnected',
      exampleState({ lastEnd: { reason: 'userInitiated', error: connectionFailed, at: now } }),
    ],
    ['error', unreachable],
  ] as const)('shows the icon %s', (icon, state) => {
    expect(trayView(state).icon).toBe(icon);
  });

  it('forgets an old failure once a later run ended well', () => {
    const state = exampleState(
      { lastEnd: { reason: 'connectionFailed', error: connectionFailed, at: now - 1 } },
      { lastEnd: { reason: 'userInitiated', error: null, at: now } },
    );
    expect(trayView(state).icon).toBe('disconnected');
  });

  it('says when the extension is away', () => {
    expect(trayView(unreachable).tooltip).toBe('Sallyport – Extension not active');
  });

  it('does not tell an observer, who sees no tunnel, that nothing is connected', () => {
    const observed = (hiddenSessions: number) =>
      trayView({
        extension: {
          state: 'active',
          version: '0.1.0',
          developerMode: false,
          role: 'observer',
          hiddenSessions,
        },
        tunnels: [],
      }).tooltip;
    expect(observed(0)).toBe('Sallyport – No tunnel is in use');
    expect(observed(1)).toBe('Sallyport – In use; not by you');
  });
});
