import { useState } from 'react';
import type { Tunnel } from '../../../bridge/state.ts';
import { bridge } from '../../bridge.ts';
import { Dialog } from '../../controls/Dialog.tsx';

/** Asks before a configuration and its keys are deleted. */
export function RemoveDialog({ tunnel, onClose }: { readonly tunnel: Tunnel; readonly onClose: () => void }) {
  const [removing, setRemoving] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const up = tunnel.session !== null && !['disconnected', 'invalid'].includes(tunnel.session.status);
  const remove = async (): Promise<void> => {
    setRemoving(true);
    setProblem(null);
    const answer = await bridge.remove({ id: tunnel.id });
    setRemoving(false);
    if (answer.ok) onClose();
    else setProblem(answer.error.message);
  };
  return (
    <Dialog
      title={`Remove ${tunnel.name}?`}
      onCancel={onClose}
      actions={
        <>
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button
            type="button"
            className="button button-danger"
            disabled={removing}
            onClick={() => void remove()}
          >
            Remove
          </button>
        </>
      }
    >
      <p>
        {up && 'It is disconnected first. '}
        Its configuration and keys are deleted from this computer. To use it again you need the file it was
        imported from.
      </p>
      {problem !== null && <p role="alert">{problem}</p>}
    </Dialog>
  );
}
