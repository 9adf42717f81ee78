import { useEffect, useState } from 'react';
import type { AppState } from '../../bridge/state.ts';
import { bridge } from '../bridge.ts';

/** What main last said; null until it has spoken. */
export function useAppState(): AppState | null {
  const [state, setState] = useState<AppState | null>(null);
  useEffect(() => {
    let heard = false;
    const stop = bridge.on('stateChanged', (next) => {
      heard = true;
      setState(next);
    });
    void bridge.readState({}).then((first) => {
      // An event that overtook this answer is newer.
      if (!heard) setState(first);
    });
    return stop;
  }, []);
  return state;
}
