import type { AppState } from '../bridge/state.ts';
import { isUp } from './tray-view.ts';

/** The question that is asked before the app quits under a running session. */
export interface QuitQuestion {
  readonly message: string;
  readonly detail: string;
  readonly buttons: readonly [keep: string, disconnect: string, cancel: string];
  /** Sessions that `disconnect` stops. */
  readonly ids: readonly string[];
}

/** @returns null when nothing runs that would outlive the app */
export function quitQuestion(state: AppState): QuitQuestion | null {
  const running = state.tunnels.filter((tunnel) => isUp(tunnel.session));
  const first = running[0];
  if (first === undefined) return null;
  const one = running.length === 1;
  const subject = one ? `“${first.name}”` : `${String(running.length)} tunnels`;
  return {
    message: `${subject} ${one ? 'stays' : 'stay'} connected when Sallyport quits.`,
    detail:
      'The system extension goes on carrying your traffic. Open Sallyport again, or use the sallyport command, to disconnect.',
    buttons: ['Quit and stay connected', 'Disconnect and quit', 'Cancel'],
    ids: running.map((tunnel) => tunnel.id),
  };
}
