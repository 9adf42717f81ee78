import { useCallback, useState } from 'react';
import type { SerializedError } from '@sallyport/shared/protocol/errors.ts';
import type { Tunnel } from '../../../bridge/state.ts';
import { bridge } from '../../bridge.ts';

/** A request of the person that was refused, about one tunnel. */
export interface Refusal {
  readonly id: string;
  readonly error: SerializedError;
}

export interface Connection {
  /** The tunnel whose request is under way. */
  readonly pendingId: string | null;
  readonly refusal: Refusal | null;
  readonly connect: (id: string, supersede?: boolean) => Promise<void>;
  readonly disconnect: (id: string) => Promise<void>;
  readonly refuse: (refusal: Refusal | null) => void;
}

/** Whether a refusal asks the person to choose between tunnels (contract M3). */
export function isConflict(refusal: Refusal): boolean {
  return refusal.error.domain === 'EndpointError' && refusal.error.code === 'sessionConflict';
}

/**
 * The tunnels that hold the routes another one asks for.
 *
 * The error names them; without names it can be any that is up.
 */
export function conflictingTunnels(refusal: Refusal, tunnels: readonly Tunnel[]): readonly Tunnel[] {
  const named = JSON.stringify(refusal.error.details ?? {});
  const up = tunnels.filter(
    (tunnel) =>
      tunnel.id !== refusal.id &&
      tunnel.session !== null &&
      !['disconnected', 'invalid'].includes(tunnel.session.status),
  );
  const exact = up.filter((tunnel) => named.includes(tunnel.id));
  return exact.length > 0 ? exact : up;
}

/** Connecting and disconnecting, and what was answered when it was refused. */
export function useConnection(): Connection {
  const [pendingId, setPendingId] = useState<string | null>(null);
  const [refusal, refuse] = useState<Refusal | null>(null);

  const run = useCallback(async (id: string, ask: () => ReturnType<typeof bridge.connect>): Promise<void> => {
    setPendingId(id);
    refuse(null);
    try {
      const answer = await ask();
      if (!answer.ok) refuse({ id, error: answer.error });
    } finally {
      setPendingId(null);
    }
  }, []);
  const connect = useCallback(
    (id: string, supersede = false) => run(id, () => bridge.connect({ id, supersede })),
    [run],
  );
  const disconnect = useCallback((id: string) => run(id, () => bridge.disconnect({ id })), [run]);
  return { pendingId, refusal, connect, disconnect, refuse };
}
