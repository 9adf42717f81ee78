import { useCallback, useEffect, useState } from 'react';

/** A short word at the window's foot, such as that something was imported. */
export interface Message {
  readonly number: number;
  readonly text: string;
}

const shownFor = 8000;

/** Keeps the latest message until it was shown long enough. */
export function useMessages(): readonly [Message | null, (text: string) => void, () => void] {
  const [message, setMessage] = useState<Message | null>(null);
  const say = useCallback((text: string) => {
    setMessage((last) => ({ number: (last?.number ?? 0) + 1, text }));
  }, []);
  const hush = useCallback(() => {
    setMessage(null);
  }, []);
  useEffect(() => {
    if (message === null) return undefined;
    const timer = setTimeout(hush, shownFor);
    return () => {
      clearTimeout(timer);
    };
  }, [message, hush]);
  return [message, say, hush];
}
