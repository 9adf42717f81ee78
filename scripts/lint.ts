import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MissingPrerequisite } from '../test/rig/missing-prerequisite.ts';
import { CommandFailed, findProgram, run } from '../test/rig/run.ts';
import { buildNative } from './build-native.ts';
import { lockFileFaults, refusedCrates, refusedPackages } from './lint/licences.ts';
import { cargoEnvironment, root } from './tiers/runners.ts';
import type { Tally } from './tiers/tally.ts';

/** A check returns what is wrong, one finding a line; nothing if nothing is. */
interface Check {
  readonly name: string;
  readonly run: () => Promise<string>;
}

const crate = ['--manifest-path', join(root, 'helper/native/Cargo.toml')];

const checks: readonly Check[] = [
  { name: 'formatting', run: () => tool('prettier', ['--check', '.']) },
  { name: 'layers and rules', run: () => tool('eslint', ['--max-warnings', '0', '.']) },
  { name: 'types', run: () => tool('tsc', ['-p', 'tsconfig.json']) },
  { name: 'types of the renderer', run: () => tool('tsc', ['-p', 'app/renderer/tsconfig.json']) },
  { name: 'formatting of the crate', run: () => cargo(['fmt', ...crate, '--check']) },
  {
    name: 'rules of the crate',
    run: () => cargo(['clippy', ...crate, '--locked', '--quiet', '--all-targets', '--', '-D', 'warnings']),
  },
  {
    name: 'licences of packages',
    run: async () => refusedPackages(await lockFile()).join('\n'),
  },
  {
    name: 'licences of crates',
    run: async () => {
      const words = ['metadata', ...crate, '--locked', '--format-version', '1'];
      return refusedCrates(JSON.parse(await run('cargo', words, { timeout: minutes(10) }))).join('\n');
    },
  },
  { name: 'lock file', run: async () => lockFileFaults(await lockFile()).join('\n') },
];

/** Runs every check, also after one failed, and prints what each found. */
export async function lint(): Promise<Tally> {
  // The addon's declarations come from its build, and the types of the helper rest on them.
  await buildNative();
  if ((await findProgram('cargo-clippy')) === null || (await findProgram('cargo-fmt')) === null) {
    throw new MissingPrerequisite(
      'lint needs clippy and rustfmt: run `rustup component add clippy rustfmt`.',
    );
  }
  let failed = 0;
  for (const check of checks) {
    const begin = performance.now();
    const findings = await check.run();
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    process.stdout.write(`${findings === '' ? 'ok  ' : 'FAIL'} ${check.name} (${seconds} s)\n`);
    if (findings === '') continue;
    failed += 1;
    process.stdout.write(`${findings}\n`);
  }
  return { passed: checks.length - failed, failed };
}

/** Runs a program of a development dependency. */
async function tool(program: string, words: readonly string[]): Promise<string> {
  const path = join(root, 'node_modules/.bin', program);
  return findings(path, words, { ...process.env, FORCE_COLOR: process.stdout.isTTY ? '1' : '0' });
}

async function cargo(words: readonly string[]): Promise<string> {
  return findings('cargo', words, { ...process.env, ...cargoEnvironment });
}

async function findings(program: string, words: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  try {
    await run(program, words, { cwd: root, env, timeout: minutes(20) });
    return '';
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    return `${error.result.stdout}${error.result.stderr}`.trim() || error.message;
  }
}

async function lockFile(): Promise<unknown> {
  return JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
}

function minutes(count: number): number {
  return count * 60_000;
}

if (import.meta.main) {
  try {
    const { failed } = await lint();
    process.exitCode = failed === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof MissingPrerequisite)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
