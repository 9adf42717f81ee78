import { useEffect, useState } from 'react';
import type { SessionStatistics } from '@sallyport/shared/protocol/session.ts';
import { bridge } from '../../bridge.ts';
import { useVisible } from '../../hooks/use-visible.ts';
import { addSample, type TrafficSample } from './traffic.ts';

export interface LiveStatistics {
  readonly latest: SessionStatistics | null;
  readonly history: readonly TrafficSample[];
}

const nothing: LiveStatistics = { latest: null, history: [] };

/** A session's counters, asked for each second while it runs and the window can be seen. */
export function useStatistics(id: string, running: boolean): LiveStatistics {
  const [live, setLive] = useState(nothing);
  const visible = useVisible();
  useEffect(() => {
    if (!running) setLive(nothing);
  }, [id, running]);
  useEffect(() => {
    if (!running || !visible) return undefined;
    let wanted = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      const answer = await bridge.readStatistics({ id });
      if (!wanted) return;
      if (answer.ok && answer.value !== null) {
        const latest = answer.value;
        setLive(({ history }) => ({ latest, history: addSample(history, latest, Date.now()) }));
      }
      timer = setTimeout(() => void ask(), 1000);
    };
    void ask();
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [id, running, visible]);
  return live;
}
