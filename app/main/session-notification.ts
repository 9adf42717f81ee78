import type { AppState, Tunnel } from '../bridge/state.ts';

export interface SessionNotification {
  readonly id: string;
  readonly title: string;
  readonly body: string;
}

/**
 * What a person who does not look at the window should hear of a change: a tunnel came up, or ended by itself.
 *
 * What they asked for themselves they know already, so an end without an error says nothing.
 */
export function sessionNotifications(before: AppState, after: AppState): SessionNotification[] {
  const previous = new Map(before.tunnels.map((tunnel) => [tunnel.id, tunnel]));
  return after.tunnels.flatMap((tunnel) => {
    const earlier = previous.get(tunnel.id);
    return earlier === undefined ? [] : (describeChange(earlier, tunnel) ?? []);
  });
}

function describeChange(before: Tunnel, after: Tunnel): SessionNotification | null {
  const from = before.session?.status ?? 'disconnected';
  const to = after.session?.status ?? 'disconnected';
  if (from === to) return null;
  if (to === 'connected' && from === 'connecting') {
    return { id: after.id, title: `${after.name} is connected`, body: 'Traffic goes through the tunnel.' };
  }
  if (to === 'connecting' && (from === 'connected' || from === 'reasserting')) {
    return {
      id: after.id,
      title: `${after.name} lost its connection`,
      body: after.session?.lastEnd?.error?.message ?? 'Sallyport is connecting again.',
    };
  }
  const error = after.session?.lastEnd?.error ?? null;
  if (to !== 'disconnected' || error === null) return null;
  const title = from === 'connecting' ? `${after.name} could not connect` : `${after.name} was disconnected`;
  return { id: after.id, title, body: error.message };
}
