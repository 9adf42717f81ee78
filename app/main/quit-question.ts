import { isUp } from '../bridge/session-facts.ts';
import type { AppState, Tunnel } from '../bridge/state.ts';

/** The question that is asked before the app quits under a session that is up or wants to be. */
export interface QuitQuestion {
  readonly message: string;
  readonly detail: string;
  readonly buttons: readonly [keep: string, stop: string, cancel: string];
  /** Sessions that `stop` stops. */
  readonly ids: readonly string[];
}

/** @returns null when nothing runs, or will by itself, that would outlive the app */
export function quitQuestion(state: AppState): QuitQuestion | null {
  // One that is disconnecting is on its way down, mostly because the person just asked for it.
  const staying = state.tunnels.filter(({ session }) => isUp(session) && session?.status !== 'disconnecting');
  if (staying.length === 0) return null;
  const connected = staying.filter(isConnected);
  const trying = staying.filter((tunnel) => !isConnected(tunnel));
  const parts = [
    part(connected, 'stays connected', 'stay connected'),
    part(trying, 'keeps trying to connect', 'keep trying to connect'),
  ].filter((text) => text !== null);
  return {
    message: `${parts.join(' and ')} when Sallyport quits.`,
    ...(connected.length > 0
      ? {
          detail:
            'The system extension goes on carrying your traffic. Open Sallyport again, or use the sallyport command, to disconnect.',
          buttons: ['Quit and stay connected', 'Disconnect and quit', 'Cancel'],
        }
      : {
          detail:
            'The system extension goes on without the app. Open Sallyport again, or use the sallyport command, to stop it.',
          buttons: ['Quit and keep trying', 'Stop trying and quit', 'Cancel'],
        }),
    ids: staying.map((tunnel) => tunnel.id),
  };
}

function isConnected({ session }: Tunnel): boolean {
  return session?.status === 'connected' || session?.status === 'reasserting';
}

function part(tunnels: readonly Tunnel[], one: string, several: string): string | null {
  const first = tunnels[0];
  if (first === undefined) return null;
  return tunnels.length === 1 ? `“${first.name}” ${one}` : `${String(tunnels.length)} tunnels ${several}`;
}
