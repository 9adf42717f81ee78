import { describe, expect, test } from 'vitest';
import { isGood, summarize, tallyCargo, tallyVitest } from './tally.ts';

const report = { numTotalTests: 5, numPassedTests: 5, numFailedTestSuites: 0, success: true };

describe('tallyVitest', () => {
  test('counts what passed', () => {
    expect(tallyVitest(report)).toEqual({ passed: 5, failed: 0 });
  });

  test('counts a skipped test as failed', () => {
    expect(tallyVitest({ ...report, numPassedTests: 3, numPendingTests: 2 })).toEqual({
      passed: 3,
      failed: 2,
    });
  });

  test('counts a file that could not be loaded, and an error outside any test', () => {
    expect(tallyVitest({ ...report, numFailedTestSuites: 1, success: false })).toEqual({
      passed: 5,
      failed: 1,
    });
    expect(tallyVitest({ ...report, success: false })).toEqual({ passed: 5, failed: 1 });
  });
});

describe('tallyCargo', () => {
  const output =
    'test result: ok. 66 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n' +
    'test result: FAILED. 1 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s\n';

  test('adds up all binaries, ignored tests as failed', () => {
    expect(tallyCargo(output, 101)).toEqual({ passed: 67, failed: 3 });
  });

  test('counts a build that failed', () => {
    expect(tallyCargo('', 101)).toEqual({ passed: 0, failed: 1 });
  });
});

describe('summarize', () => {
  const good = { name: 'unit', seconds: 1.25, passed: 7, failed: 0 };

  test('ends with the sum, alone on its line', () => {
    expect(
      summarize([good, { ...good, name: 'netns', failed: 2 }])
        .split('\n')
        .at(-1),
    ).toBe('14 passed, 2 failed');
  });

  test('a tier that ran no test, or had a problem, is not good and counts', () => {
    const empty = { ...good, passed: 0 };
    const broken = { ...good, problem: 'No /dev/net/tun.' };
    expect([good, empty, broken].map(isGood)).toEqual([true, false, false]);
    expect(summarize([empty])).toContain('ran no test');
    expect(summarize([broken])).toContain('No /dev/net/tun.');
    expect(summarize([good, empty, broken]).split('\n').at(-1)).toBe('14 passed, 2 failed');
  });
});
