import { parseArgs } from 'node:util';
import { MissingPrerequisite } from '../test/rig/missing-prerequisite.ts';
import { ensurePrerequisites } from './prerequisites.ts';
import { countTargets, fuzzNative } from './tiers/native-fuzz.ts';

/**
 * `npm run fuzz [-- --minutes N]`: fuzzes the native part, all targets together for about so long, and prints a table
 * as it stands in docs/security.md.
 */
const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });

try {
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new MissingPrerequisite('Usage: npm run fuzz -- --minutes 60');
  await ensurePrerequisites('fuzz');
  // Two run at a time.
  const seconds = Math.ceil((minutes * 60 * 2) / (await countTargets()));
  const outcomes = await fuzzNative(seconds, ({ target, finding }) => {
    process.stderr.write(`${target}: ${finding === null ? 'nothing found' : `FOUND\n${finding}`}\n`);
  });
  const rows = outcomes.map(
    ({ target, executions, seedCoverage, coverage, corpus, finding }) =>
      `| ${target} | ${executions.toLocaleString('en')} | ${String(seedCoverage)} | ${String(coverage)} | ${String(corpus)} | ${finding === null ? '0' : '1'} |`,
  );
  process.stdout.write(
    [
      '| target | executions | edges by the seeds | edges | inputs kept | findings |',
      '|---|---:|---:|---:|---:|---:|',
      ...rows,
      '',
    ].join('\n'),
  );
  if (outcomes.some(({ finding }) => finding !== null)) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof MissingPrerequisite)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
