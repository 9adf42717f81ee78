import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findProofs, judge, parseContract, type Proof } from './contract/contract.ts';
import { root } from './tiers/runners.ts';
import type { Tally } from './tiers/tally.ts';

/** Unit and system tests, the crate's tests, and the benchmarks, which assert as well. */
const sources = [
  '{app,helper,shared,scripts,test}/**/*.test.{ts,tsx}',
  'test/bench/**/*.ts',
  'helper/native/src/**/*.rs',
];

/** Prints every id of `docs/contract.md` with the tests that prove it; a fault for each that should have one. */
export async function checkContract(): Promise<Tally> {
  const contract = parseContract(await readFile(join(root, 'docs/contract.md'), 'utf8'));
  const proofs: Proof[] = [];
  for await (const file of glob(sources, { cwd: root, exclude: ['**/node_modules/**', '**/target/**'] })) {
    proofs.push(...findProofs(file, await readFile(join(root, file), 'utf8')));
  }
  proofs.sort((one, other) => one.file.localeCompare(other.file));
  const { lines, faults, proved } = judge(contract, proofs);
  process.stdout.write(`${lines.join('\n')}\n`);
  process.stdout.write(`${String(proved)} of ${String(contract.entries.length)} ids have a test.\n`);
  for (const fault of faults) process.stdout.write(`FAIL ${fault}\n`);
  return { passed: proved, failed: faults.length };
}

if (import.meta.main) {
  const { failed } = await checkContract();
  process.exitCode = failed === 0 ? 0 : 1;
}
