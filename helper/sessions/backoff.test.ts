import fc from 'fast-check';
import { expect, it } from 'vitest';
import { retryDelay } from './backoff.ts';

it('doubles from a second up to a minute', () => {
  expect([1, 2, 3, 4, 5, 6, 7, 8].map(retryDelay)).toEqual([
    1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000,
  ]);
});

it('never shrinks and never passes a minute, however many attempts', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 1 }), (attempts) => {
      const delay = retryDelay(attempts);
      expect(delay).toBeGreaterThanOrEqual(1000);
      expect(delay).toBeLessThanOrEqual(60_000);
      expect(retryDelay(attempts + 1)).toBeGreaterThanOrEqual(delay);
    }),
  );
});
