import type { SessionEnd, SessionSnapshot } from '@sallyport/shared/protocol/session.ts';
import { failureOf, isWaiting } from '../../../bridge/session-facts.ts';
import type { Tunnel } from '../../../bridge/state.ts';
import { formatAgo, formatClock, formatDuration } from '../../format/time.ts';

/** How a state looks: nothing happens, something does, all is well, something is wrong. */
export type Tone = 'idle' | 'busy' | 'good' | 'bad';

export interface SessionAction {
  readonly kind: 'connect' | 'disconnect';
  readonly label: string;
  readonly enabled: boolean;
}

export interface SessionDescription {
  readonly tone: Tone;
  readonly title: string;
  /** One or two sentences, or null. */
  readonly detail: string | null;
  readonly action: SessionAction;
}

const connect: SessionAction = { kind: 'connect', label: 'Connect', enabled: true };
const cancel: SessionAction = { kind: 'disconnect', label: 'Cancel', enabled: true };
const disconnect: SessionAction = { kind: 'disconnect', label: 'Disconnect', enabled: true };

/**
 * Puts a session into words, never saying more than is known.
 *
 * @param now Unix milliseconds
 */
export function describeSession(tunnel: Tunnel, now: number): SessionDescription {
  const { session } = tunnel;
  if (!tunnel.isEnabled) {
    return {
      tone: 'idle',
      title: 'Turned off',
      detail: 'This configuration is disabled and cannot connect.',
      action: { ...connect, enabled: false },
    };
  }
  if (session === null) return describeEnd(null, now);
  switch (session.status) {
    case 'disconnected':
      return isWaiting(session) ? describeWait(session, now) : describeEnd(session.lastEnd, now);
    case 'invalid':
      return {
        tone: 'bad',
        title: 'Not available',
        detail:
          session.lastEnd?.error?.message ??
          'No part of the system extension can run this configuration. Update Sallyport, or remove the tunnel.',
        action: { ...connect, enabled: false },
      };
    case 'connecting':
      return { tone: 'busy', title: 'Connecting…', detail: session.statusReason, action: cancel };
    case 'connected':
      return { tone: 'good', title: 'Connected', detail: connectedSince(session, now), action: disconnect };
    case 'reasserting':
      return {
        tone: 'busy',
        title: 'Reconnecting…',
        detail: sentences(session.statusReason, connectedSince(session, now)),
        action: disconnect,
      };
    case 'disconnecting':
      return {
        tone: 'busy',
        title: 'Disconnecting…',
        detail: null,
        action: { kind: 'disconnect', label: 'Disconnecting…', enabled: false },
      };
  }
}

/** The few words that the list has room for. */
export function describeBriefly(tunnel: Tunnel, now: number): string {
  const { tone, title } = describeSession(tunnel, now);
  return tone === 'idle' && tunnel.isEnabled ? (tunnel.serverAddress ?? title) : title;
}

function describeWait(session: SessionSnapshot, now: number): SessionDescription {
  const left = (session.nextAttemptDate ?? now) - now;
  const next = left < 1000 ? 'Next attempt in a moment.' : `Next attempt in ${formatDuration(left)}.`;
  return {
    tone: 'busy',
    title: 'Waiting to try again',
    detail: sentences(session.lastEnd?.error?.message, next),
    action: cancel,
  };
}

function describeEnd(end: SessionEnd | null, now: number): SessionDescription {
  const failure = failureOf(end);
  if (end === null || failure === null) {
    const detail = end?.reason === 'superceded' ? 'Stopped because another tunnel took its routes.' : null;
    return { tone: 'idle', title: 'Not connected', detail, action: connect };
  }
  const title = end.reason === 'connectionFailed' ? 'Could not connect' : 'Connection ended';
  return {
    tone: 'bad',
    title,
    detail: sentences(failure.message, `(${formatAgo(end.at, now)})`),
    action: { ...connect, label: 'Try again' },
  };
}

function connectedSince(session: SessionSnapshot, now: number): string | null {
  if (session.connectedDate === null) return null;
  return `Since ${formatClock(session.connectedDate, now)}, for ${formatDuration(now - session.connectedDate)}`;
}

function sentences(...parts: readonly (string | null | undefined)[]): string | null {
  const said = parts.filter((part) => part != null && part !== '');
  return said.length === 0 ? null : said.join(' ');
}
