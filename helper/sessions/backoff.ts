const firstDelay = 1000;
const longestDelay = 60_000;

/**
 * Pause before a failed start is made again, in milliseconds: 1 s, doubled each time, at most 60 s.
 *
 * @param attempts failed attempts in a row, from 1
 */
export function retryDelay(attempts: number): number {
  return Math.min(firstDelay * 2 ** Math.min(attempts - 1, 16), longestDelay);
}
