import type { Host } from './host.ts';

/** Resolves at Ctrl-C; what goes on until then ends in order, with exit code 0. */
export function untilInterrupted(host: Pick<Host, 'onInterrupt'>): Promise<void> {
  return new Promise((resolve) => {
    const stop = host.onInterrupt(() => {
      stop();
      resolve();
    });
  });
}
