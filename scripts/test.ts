import { parseArgs } from 'node:util';
import { MissingPrerequisite } from '../test/rig/missing-prerequisite.ts';
import { tiers, type TierDefinition } from './tiers/table.ts';
import { isGood, summarize, type TierResult } from './tiers/tally.ts';

/*
 * `npm test`: all tiers. `npm test TIER… [PATTERN…]`: those tiers, and of their files only those whose path contains
 * a pattern; `npm run test:TIER -- PATTERN` is the same. The output's last line is the sum, alone: `N passed, M failed`.
 */
const { values, positionals } = parseArgs({
  options: { help: { type: 'boolean', short: 'h', default: false } },
  allowPositionals: true,
});
const isTier = (word: string): boolean => tiers.some(({ name }) => name === word);
const firstPattern = positionals.findIndex((word) => !isTier(word));
const names = firstPattern === -1 ? positionals : positionals.slice(0, firstPattern);
const patterns = positionals.slice(names.length);

if (values.help || (names.length === 0 && patterns.length > 0)) {
  const known = tiers.map(({ name, what }) => `  ${name.padEnd(8)} ${what}`).join('\n');
  process.stderr.write(`Usage: npm test [TIER…] [PATTERN…]\n${known}\n`);
  process.exit(values.help ? 0 : 2);
}

const chosen = names.length === 0 ? tiers : tiers.filter((tier) => names.includes(tier.name));
const results: TierResult[] = [];
for (const tier of chosen) {
  process.stdout.write(`\n== ${tier.name}: ${tier.what}\n`);
  const result = await time(tier);
  process.stdout.write(
    `== ${tier.name}: ${isGood(result) ? 'ok' : 'FAILED'} in ${result.seconds.toFixed(1)} s\n`,
  );
  results.push(result);
}
process.stdout.write(`\n${summarize(results)}\n`);
// Said outright: what the desktop tier loads to pack the app otherwise ends the process with 0, whatever exitCode is.
process.exit(results.every(isGood) ? 0 : 1);

async function time(tier: TierDefinition): Promise<TierResult> {
  const begin = performance.now();
  const seconds = (): number => (performance.now() - begin) / 1000;
  try {
    const tally = await tier.run(patterns);
    return { name: tier.name, seconds: seconds(), ...tally };
  } catch (error) {
    // What a person can supply takes one line; anything else is a mistake of ours, and its stack helps.
    const isMissing = error instanceof MissingPrerequisite;
    const problem = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    process.stderr.write(`${isMissing || !(error instanceof Error) ? problem : (error.stack ?? problem)}\n`);
    return { name: tier.name, seconds: seconds(), passed: 0, failed: 0, problem };
  }
}
