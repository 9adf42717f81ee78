import { useCallback, useState } from 'react';
import { bridge } from '../../bridge.ts';
import type { Refusal } from './refusal.ts';

export interface Connection {
  /** The tunnel whose request is under way. */
  readonly pendingId: string | null;
  readonly refusal: Refusal | null;
  readonly connect: (id: string, supersede?: boolean) => Promise<void>;
  readonly disconnect: (id: string) => Promise<void>;
  readonly refuse: (refusal: Refusal | null) => void;
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
