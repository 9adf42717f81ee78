import * as z from 'zod';

/** How many tests of a tier passed and failed. A skipped test counts as failed: it proves nothing. */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
}

const vitestReportSchema = z.object({
  numTotalTests: z.int(),
  numPassedTests: z.int(),
  numFailedTestSuites: z.int(),
  success: z.boolean(),
});

/** Counts a report of vitest's JSON reporter. */
export function tallyVitest(report: unknown): Tally {
  const { numTotalTests, numPassedTests, numFailedTestSuites, success } = vitestReportSchema.parse(report);
  const failed = numTotalTests - numPassedTests;
  // A file that cannot be loaded, or an error outside any test, has no test to count.
  const unseen = failed === 0 && (!success || numFailedTestSuites > 0) ? 1 : 0;
  return { passed: numPassedTests, failed: failed + unseen };
}

/** Counts what `cargo test` printed; `code` is its exit code. */
export function tallyCargo(output: string, code: number): Tally {
  const results = [...output.matchAll(/^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored/gm)];
  const passed = sum(results.map((match) => Number(match[1])));
  const failed = sum(results.map((match) => Number(match[2]) + Number(match[3])));
  return { passed, failed: failed === 0 && code !== 0 ? 1 : failed };
}

export interface TierResult extends Tally {
  readonly name: string;
  readonly seconds: number;
  /** What went wrong before or beside its tests, in one line. */
  readonly problem?: string;
}

/** A tier is good if it ran something and nothing failed. */
export function isGood(result: TierResult): boolean {
  return result.failed === 0 && result.passed > 0 && result.problem === undefined;
}

/** One line a tier, and last, alone on its line, the sum. */
export function summarize(results: readonly TierResult[]): string {
  const lines = results.map((result) => {
    const { name, seconds, passed, failed, problem } = result;
    const why = problem ?? (passed + failed === 0 ? 'ran no test' : null);
    const mark = isGood(result) ? 'ok  ' : 'FAIL';
    const counts = `${String(passed)} passed, ${String(failed)} failed`;
    return `${mark} ${name.padEnd(8)} ${counts.padEnd(24)} ${seconds.toFixed(1).padStart(7)} s${why === null ? '' : `  ${why}`}`;
  });
  const passed = sum(results.map((result) => result.passed));
  // A tier that did not get as far as its tests failed all the same.
  const failed = sum(results.map((result) => (isGood(result) ? 0 : Math.max(result.failed, 1))));
  return [...lines, '', `${String(passed)} passed, ${String(failed)} failed`].join('\n');
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
