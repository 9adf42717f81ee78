import { useEffect, useState } from 'react';
import { useVisible } from './use-visible.ts';

/** The time in Unix milliseconds, renewed each second while it is asked for and can be seen. */
export function useNow(active: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  const ticking = useVisible() && active;
  useEffect(() => {
    setNow(Date.now());
    if (!ticking) return undefined;
    const timer = setInterval(() => {
      setNow(Date.now());
    }, 1000);
    return () => {
      clearInterval(timer);
    };
  }, [ticking]);
  return now;
}
