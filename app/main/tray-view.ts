import type { SessionSnapshot } from '@sallyport/shared/protocol/session.ts';
import { failureOf, isUp, isWaiting } from '../bridge/session-facts.ts';
import type { AppState, Tunnel } from '../bridge/state.ts';

export const trayIcons = ['disconnected', 'connecting', 'connected', 'error'] as const;
export type TrayIcon = (typeof trayIcons)[number];

export type TrayCommand =
  { readonly kind: 'connect' | 'disconnect'; readonly id: string } | { readonly kind: 'open' | 'quit' };

/** One line of the tray's menu; null draws a separator, a command of null an inactive line. */
export type TrayItem = { readonly label: string; readonly command: TrayCommand | null } | null;

export interface TrayView {
  readonly icon: TrayIcon;
  readonly tooltip: string;
  readonly items: readonly TrayItem[];
}

/** Most tunnels that the menu lists; the window has them all. */
const maximumItems = 20;

/** What the tray shows of a state: the icon tells the worst that needs attention, else the most active. */
export function trayView(state: AppState): TrayView {
  const summary = summarize(state);
  const tunnels = state.tunnels.slice(0, maximumItems).map((tunnel): TrayItem => tunnelItem(tunnel));
  return {
    icon: trayIcon(state),
    tooltip: `Sallyport – ${summary}`,
    items: [
      { label: summary, command: null },
      null,
      ...tunnels,
      ...(tunnels.length === 0 ? [] : [null]),
      { label: 'Open Sallyport', command: { kind: 'open' } },
      { label: 'Quit', command: { kind: 'quit' } },
    ],
  };
}

function trayIcon(state: AppState): TrayIcon {
  if (state.extension.state === 'unreachable') return 'error';
  const sessions = state.tunnels.flatMap((tunnel) => tunnel.session ?? []);
  const has = (...statuses: SessionSnapshot['status'][]) =>
    sessions.some((session) => statuses.includes(session.status));
  if (has('connecting', 'reasserting', 'disconnecting') || sessions.some(isWaiting)) return 'connecting';
  if (has('connected')) return 'connected';
  const last = sessions.flatMap((session) => session.lastEnd ?? []).sort((a, b) => b.at - a.at)[0];
  return failureOf(last ?? null) === null ? 'disconnected' : 'error';
}

function summarize(state: AppState): string {
  if (state.extension.state === 'unreachable') return 'Extension not active';
  if (state.extension.state === 'active' && state.extension.role === 'observer') {
    return state.extension.hiddenSessions === 0 ? 'No tunnel is in use' : 'In use; not by you';
  }
  const namesOf = (matches: (session: SessionSnapshot | null) => boolean) =>
    state.tunnels.filter(({ session }) => matches(session)).map((tunnel) => tunnel.name);
  const named = (status: SessionSnapshot['status']) => namesOf((session) => session?.status === status);
  const parts = [
    part('Connected', named('connected')),
    part('Reconnecting', named('reasserting')),
    part('Connecting', named('connecting')),
    part('Waiting to try again', namesOf(isWaiting)),
    part('Disconnecting', named('disconnecting')),
  ].filter((text) => text !== null);
  return parts.length === 0 ? 'Not connected' : parts.join(', ');
}

function part(word: string, names: readonly string[]): string | null {
  const first = names[0];
  if (first === undefined) return null;
  return names.length === 1 ? `${word}: ${first}` : `${word}: ${first} and ${String(names.length - 1)} more`;
}

function tunnelItem(tunnel: Tunnel): TrayItem {
  const { id, name, session } = tunnel;
  if (!tunnel.isEnabled || session?.status === 'invalid')
    return { label: `${name} (not available)`, command: null };
  if (session?.status === 'disconnecting') return { label: `Disconnecting ${name}…`, command: null };
  if (session?.status === 'connecting' || isWaiting(session)) {
    return { label: `Cancel connecting ${name}`, command: { kind: 'disconnect', id } };
  }
  return isUp(session)
    ? { label: `Disconnect ${name}`, command: { kind: 'disconnect', id } }
    : { label: `Connect ${name}`, command: { kind: 'connect', id } };
}
