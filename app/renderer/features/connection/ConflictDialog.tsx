import type { Tunnel } from '../../../bridge/state.ts';
import { Dialog } from '../../controls/Dialog.tsx';
import { conflictingTunnels, isConflict } from './refusal.ts';
import type { Connection } from './use-connection.ts';

/** Asks before one tunnel takes the routes of another. */
export function ConflictDialog({
  connection,
  tunnels,
}: {
  readonly connection: Connection;
  readonly tunnels: readonly Tunnel[];
}) {
  const { refusal } = connection;
  if (refusal === null || !isConflict(refusal)) return null;
  const wanted = tunnels.find((tunnel) => tunnel.id === refusal.id);
  if (wanted === undefined) return null;
  const others = conflictingTunnels(refusal, tunnels)
    .map((tunnel) => tunnel.name)
    .join(', ');
  const close = (): void => {
    connection.refuse(null);
  };
  return (
    <Dialog
      title={others === '' ? `Connect ${wanted.name}?` : `Switch from ${others} to ${wanted.name}?`}
      onCancel={close}
      actions={
        <>
          <button type="button" className="button" onClick={close}>
            Cancel
          </button>
          <button
            type="button"
            className="button button-primary"
            onClick={() => void connection.connect(wanted.id, true)}
          >
            {others === '' ? 'Connect anyway' : `Disconnect ${others} and connect`}
          </button>
        </>
      }
    >
      <p className="selectable">{refusal.error.message}</p>
    </Dialog>
  );
}
