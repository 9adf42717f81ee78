import { useState } from 'react';
import type { Tunnel } from '../../../bridge/state.ts';
import { Icon } from '../../controls/Icon.tsx';
import { ConnectionPanel } from '../connection/ConnectionPanel.tsx';
import type { Connection } from '../connection/use-connection.ts';
import { RemoveDialog } from '../remove/RemoveDialog.tsx';
import { TunnelTitle } from '../rename/TunnelTitle.tsx';
import { TransferCard } from '../transfer/TransferCard.tsx';
import { useStatistics } from '../transfer/use-statistics.ts';
import { tunnelFacts } from './tunnel-facts.ts';
import './tunnel-detail.css';

export interface TunnelDetailProps {
  readonly tunnel: Tunnel;
  readonly connection: Connection;
  readonly now: number;
}

/** One tunnel: its state and button, then what is known about it. */
export function TunnelDetail({ tunnel, connection, now }: TunnelDetailProps) {
  const [removing, setRemoving] = useState(false);
  const status = tunnel.session?.status;
  const running = status === 'connected' || status === 'reasserting';
  const statistics = useStatistics(tunnel.id, running);
  const facts = tunnelFacts(tunnel, statistics.latest, now);
  return (
    <article className="tunnel-detail" aria-label={tunnel.name}>
      <header className="tunnel-header">
        <TunnelTitle tunnel={tunnel} />
        <button
          type="button"
          className="button button-quiet"
          onClick={() => {
            setRemoving(true);
          }}
        >
          <Icon name="trash" />
          Remove
        </button>
      </header>
      <ConnectionPanel tunnel={tunnel} connection={connection} now={now} />
      {running && <TransferCard statistics={statistics} />}
      {facts.length > 0 && (
        <dl className="tunnel-facts selectable">
          {facts.map(({ label, value }) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
      {removing && (
        <RemoveDialog
          tunnel={tunnel}
          onClose={() => {
            setRemoving(false);
          }}
        />
      )}
    </article>
  );
}
