import { bridge } from '../../bridge.ts';
import { Gate } from '../../controls/Gate.tsx';
import './extension-state.css';

/** Fills the window of a person who may see that tunnels are in use, and nothing else. */
export function ObserverNotice({ hiddenSessions }: { readonly hiddenSessions: number }) {
  return (
    <main className="page">
      <Gate tone="idle" />
      <h1>You may not use tunnels here</h1>
      <p>{inUse(hiddenSessions)}</p>
      <p className="page-remedy">
        Sign in at this computer itself and try again, or ask an administrator to let you use its tunnels.
      </p>
      <button type="button" className="button button-primary" onClick={() => void bridge.reconnect({})}>
        Try again
      </button>
    </main>
  );
}

function inUse(sessions: number): string {
  if (sessions === 0) return 'You may see whether tunnels are in use. None is at the moment.';
  return sessions === 1
    ? 'You may see that a tunnel of this computer is in use, but not use or change it.'
    : `You may see that ${String(sessions)} tunnels of this computer are in use, but not use or change them.`;
}
