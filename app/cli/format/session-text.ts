import type { SessionSnapshot, SessionStatistics } from '@sallyport/shared/protocol/session.ts';
import { formatBytes, formatDuration, formatTime } from './quantity.ts';
import type { Style } from './style.ts';
import type { Cell } from './table.ts';
import { visible } from './visible.ts';

/** A status in a person's words. */
export function statusWord(session: SessionSnapshot | null, isEnabled = true): string {
  if (!isEnabled) return 'disabled';
  if (session === null || session.status === 'invalid') return 'not available';
  if (session.status === 'reasserting') return 'reconnecting';
  if (session.status === 'disconnected' && session.nextAttemptDate !== null) return 'waiting to retry';
  return session.status;
}

/** A status as a cell in its colour. */
export function statusCell(session: SessionSnapshot | null, isEnabled: boolean, style: Style): Cell {
  const text = statusWord(session, isEnabled);
  switch (text) {
    case 'connected':
      return { text, paint: style.green };
    case 'connecting':
    case 'reconnecting':
    case 'disconnecting':
    case 'waiting to retry':
      return { text, paint: style.yellow };
    default:
      return { text, paint: style.dim };
  }
}

/** What more there is to say about a status: since when, why, or why not. Empty when there is nothing. */
export function statusDetail(session: SessionSnapshot | null, now: number): string {
  if (session === null) return '';
  const { status, connectedDate, statusReason, nextAttemptDate, lastEnd } = session;
  if (status === 'connected' && connectedDate !== null) return `for ${formatDuration(now - connectedDate)}`;
  if (statusReason !== null) return visible(statusReason);
  if (status !== 'disconnected' && status !== 'invalid') return '';
  const failure = lastEnd?.error ?? null;
  const next = nextAttemptDate === null ? '' : `next attempt in ${formatDuration(nextAttemptDate - now)}`;
  return [next, failure === null ? '' : visible(failure.message)].filter((text) => text !== '').join('; ');
}

/** How the last run ended, in one sentence; null when there was none. */
export function lastEndText(session: SessionSnapshot | null): string | null {
  const end = session?.lastEnd ?? null;
  if (end === null) return null;
  const why = end.error === null ? end.reason : `${end.reason}: ${visible(end.error.message)}`;
  return `${formatTime(end.at)}, ${why}`;
}

/** Traffic in one line. */
export function trafficText(statistics: SessionStatistics): string {
  return `${formatBytes(statistics.receivedBytes)} received, ${formatBytes(statistics.sentBytes)} sent`;
}
