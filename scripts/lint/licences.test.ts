import { describe, expect, test } from 'vitest';
import { isAllowed, lockFileFaults, refusedCrates, refusedPackages } from './licences.ts';

describe('isAllowed', () => {
  test.each([
    'MIT',
    'MIT OR GPL-3.0-only',
    'GPL-3.0-only OR (MIT AND ISC)',
    'MIT/Apache-2.0',
    'Apache-2.0 WITH LLVM-exception OR GPL-2.0-only',
    'ISC AND (Apache-2.0 OR ISC) AND BSD-3-Clause',
  ])('keeps %s', (expression) => {
    expect(isAllowed(expression)).toBe(true);
  });

  test.each([
    '',
    'GPL-3.0-only',
    'MIT AND GPL-3.0-only',
    'MIT WITH Classpath-exception-2.0',
    'LGPL-2.1-or-later AND (MIT OR ISC)',
    '(MIT',
    'MIT ISC',
    'UNLICENSED',
  ])('refuses %s', (expression) => {
    expect(isAllowed(expression)).toBe(false);
  });
});

test('what is shipped is checked, what only builds is not', () => {
  const packages = {
    '': { license: 'MIT' },
    app: { license: 'MIT' },
    'node_modules/good': { license: 'MIT' },
    'node_modules/tool': { license: 'GPL-3.0-only', dev: true },
    'node_modules/linked': { link: true },
    'node_modules/bad': { license: 'GPL-3.0-only' },
    'node_modules/silent': {},
  };
  expect(refusedPackages({ packages })).toEqual([
    'bad has the licence GPL-3.0-only',
    'silent names no licence',
  ]);
});

test('a crate may be excepted by name, for the licence that was looked at', () => {
  const packages = [
    { name: 'gotatun', license: 'MPL-2.0' },
    { name: 'other', license: 'MPL-2.0' },
    { name: 'silent', license: null },
  ];
  expect(refusedCrates({ packages })).toEqual(['other has the licence MPL-2.0', 'silent names no licence']);
});

test('a lock file names no host and has every digest', () => {
  const good = { integrity: 'sha512-x' };
  const packages = {
    '': {},
    app: {},
    'node_modules/good': good,
    'node_modules/linked': { resolved: 'app', link: true },
    'node_modules/told': { ...good, resolved: 'https://registry.example/told.tgz' },
    'node_modules/a/node_modules/b': {},
  };
  expect(lockFileFaults({ packages })).toEqual([
    'node_modules/told names where it came from: https://registry.example/told.tgz',
    'node_modules/a/node_modules/b has no digest',
  ]);
});
