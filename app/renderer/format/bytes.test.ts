import { expect, it } from 'vitest';
import { formatBytes, formatRate } from './bytes.ts';

it.each([
  [0, '0 B'],
  [-3, '0 B'],
  [999, '999 B'],
  [1000, '1.00 kB'],
  [1234, '1.23 kB'],
  [45_678, '45.7 kB'],
  [999_499, '999 kB'],
  [999_500, '1.00 MB'],
  [1_200_000_000, '1.20 GB'],
  [5e18, '5000 PB'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

it('says per second', () => {
  expect(formatRate(2500)).toBe('2.50 kB/s');
});
