const firstDelay = 100;
const longestDelay = 5000;

/**
 * Pause before the endpoint is tried again, in milliseconds: 0.1 s, doubled each time, at most 5 s.
 *
 * Up to a fifth is taken off at random, so that the clients of a restarted helper do not all return at once.
 *
 * @param failures failed attempts in a row, from 1
 * @param random from 0 to 1
 */
export function reconnectDelay(failures: number, random: number): number {
  const delay = Math.min(firstDelay * 2 ** Math.min(failures - 1, 16), longestDelay);
  return Math.round(delay * (1 - random / 5));
}
