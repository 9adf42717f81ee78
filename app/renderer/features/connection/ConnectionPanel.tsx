import type { Tunnel } from '../../../bridge/state.ts';
import { Gate } from '../../controls/Gate.tsx';
import { describeSession } from './describe-session.ts';
import { isConflict } from './refusal.ts';
import type { Connection } from './use-connection.ts';
import './connection.css';

export interface ConnectionPanelProps {
  readonly tunnel: Tunnel;
  readonly connection: Connection;
  readonly now: number;
}

/** The state of one tunnel in a sign and words, and the one big button. */
export function ConnectionPanel({ tunnel, connection, now }: ConnectionPanelProps) {
  const { tone, title, detail, action } = describeSession(tunnel, now);
  const refusal = connection.refusal?.id === tunnel.id ? connection.refusal : null;
  return (
    <section className="connection" data-tone={tone} aria-label="Connection">
      <Gate tone={tone} />
      {/* The ticking part stays outside of what is read aloud. */}
      <div className="connection-words">
        <p className="connection-title" role="status">
          {title}
        </p>
        {detail !== null && <p className="connection-detail selectable">{detail}</p>}
      </div>
      <button
        type="button"
        className={
          action.kind === 'connect' ? 'button button-primary connection-button' : 'button connection-button'
        }
        disabled={!action.enabled || connection.pendingId === tunnel.id}
        onClick={() => {
          void (action.kind === 'connect' ? connection.connect(tunnel.id) : connection.disconnect(tunnel.id));
        }}
      >
        {action.label}
      </button>
      {refusal !== null && !isConflict(refusal) && (
        <p className="connection-refusal selectable" role="alert">
          {refusal.error.message}
        </p>
      )}
    </section>
  );
}
