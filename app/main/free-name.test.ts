import { expect, it } from 'vitest';
import { tunnelNameProblem } from '@sallyport/shared/formats/tunnel-name.ts';
import { freeName } from './free-name.ts';

it('keeps a free name', () => {
  expect(freeName('home', ['work'])).toBe('home');
});

it('counts on from names that are taken, or look so', () => {
  expect(freeName('home', ['Home', 'home 2'])).toBe('home 3');
});

it('makes room for the number in the longest name', () => {
  const longest = 'ü'.repeat(64);
  const name = freeName(longest, [longest]);
  expect(name).toBe(`${'ü'.repeat(62)} 2`);
  expect(tunnelNameProblem(name)).toBeNull();
});
