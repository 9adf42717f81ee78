import { expect, it } from 'vitest';
import { inheritedDescriptors } from './inherited-descriptors.ts';

it.each([
  [{ LISTEN_PID: '42', LISTEN_FDS: '2' }, 2],
  [{ LISTEN_PID: '41', LISTEN_FDS: '2' }, 0],
  [{ LISTEN_FDS: '2' }, 0],
  [{ LISTEN_PID: '42' }, 0],
  [{ LISTEN_PID: '42', LISTEN_FDS: '-1' }, 0],
  [{ LISTEN_PID: '42', LISTEN_FDS: '1e3' }, 0],
  [{ LISTEN_PID: '42', LISTEN_FDS: '9999' }, 0],
  [{ LISTEN_PID: '042', LISTEN_FDS: '1' }, 0],
  [{}, 0],
])('takes what is meant for this process: %j', (environment, count) => {
  expect(inheritedDescriptors(environment, 42)).toBe(count);
});
