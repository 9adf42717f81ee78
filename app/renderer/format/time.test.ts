import { expect, it } from 'vitest';
import { now } from '../../testing/examples.ts';
import { formatAgo, formatClock, formatDuration } from './time.ts';

const seconds = 1000;
const minutes = 60 * seconds;
const hours = 60 * minutes;

it.each([
  [0, 'just now'],
  [-5000, 'just now'],
  [12 * seconds, '12 seconds ago'],
  [60 * seconds, '1 minute ago'],
  [59 * minutes, '59 minutes ago'],
  [25 * hours, '1 day ago'],
])('%d ms back is %s', (elapsed, words) => {
  expect(formatAgo(now - elapsed, now)).toBe(words);
});

it.each([
  [-1, '0 s'],
  [8999, '8 s'],
  [3 * minutes, '3 min'],
  [2 * hours + 5 * minutes, '2 h 5 min'],
  [2 * hours, '2 h'],
  [97 * hours, '4 d 1 h'],
])('%d ms last %s', (length, words) => {
  expect(formatDuration(length)).toBe(words);
});

it('adds the date to a time of another day', () => {
  expect(formatClock(now, now)).toBe('14:30');
  expect(formatClock(now - 24 * hours, now)).toBe('4 May, 14:30');
});
