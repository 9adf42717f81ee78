import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { cacheDirectory } from '../../test/rig/cache.ts';
import { ended } from '../../test/rig/namespace.ts';
import { run } from '../../test/rig/run.ts';
import { requireToolchain } from '../build-native.ts';
import { root } from './runners.ts';

const crate = join(root, 'helper/native/fuzz');

/** What cargo-fuzz passes, without the sanitizer, which stable Rust does not have. */
const coverageFlags = [
  ...['--cfg', 'fuzzing'],
  '-Cpasses=sancov-module',
  ...['level=4', 'inline-8bit-counters', 'pc-table', 'trace-compares'].map(
    (option) => `-Cllvm-args=-sanitizer-coverage-${option}`,
  ),
];

/** Megabytes that one target may take. */
const memoryLimit = 512;
/** Seconds that one input may take: a PKCS#12 file may ask for ten million rounds of derivation. */
const inputTimeout = 20;
/** A frame of 64 KiB with what stands around it. */
const longestInput = 70_000;

/** What fuzzing one target came to. */
export interface FuzzOutcome {
  readonly target: string;
  readonly executions: number;
  /** Edges of the program's control flow that inputs have reached. */
  readonly coverage: number;
  /** Edges that the seeds alone reach. */
  readonly seedCoverage: number;
  /** Inputs of the corpus after the run. */
  readonly corpus: number;
  /** Null when nothing was found; otherwise the end of what libFuzzer told. */
  readonly finding: string | null;
}

/**
 * Builds the fuzz targets of the native part and runs each for a while, two at a time.
 *
 * Inputs that reached something new are kept in this user's cache, and the next run goes on from there; an input that
 * failed lies in `artifacts/fuzz/TARGET/`.
 *
 * @param seconds for each target
 */
export async function fuzzNative(
  seconds: number,
  onOutcome: (outcome: FuzzOutcome) => void = () => undefined,
): Promise<readonly FuzzOutcome[]> {
  const programs = await buildTargets();
  const waiting = (await readdir(join(crate, 'seeds'))).sort();
  const outcomes: FuzzOutcome[] = [];
  const work = async (): Promise<void> => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
      const outcome = await fuzzTarget(join(programs, target), target, seconds);
      onOutcome(outcome);
      outcomes.push(outcome);
    }
  };
  await Promise.all([work(), work()]);
  return outcomes.sort((one, other) => one.target.localeCompare(other.target));
}

/** How many targets there are. */
export async function countTargets(): Promise<number> {
  return (await readdir(join(crate, 'seeds'))).length;
}

/** Compiles every target; returns the directory of the programs. */
async function buildTargets(): Promise<string> {
  await requireToolchain();
  const host = /^host: (.+)$/m.exec(await run('rustc', ['-vV']))?.[1] ?? '';
  const directory = cacheDirectory('native', 'fuzz-target');
  const words = ['--manifest-path', join(crate, 'Cargo.toml'), '--locked', '--release', '--bins'];
  // With a target named, flags are for it alone: build scripts and macros stay as they are.
  const child = spawn('cargo', ['build', ...words, '--target', host], {
    cwd: crate,
    env: {
      ...process.env,
      CARGO_TARGET_DIR: directory,
      CARGO_ENCODED_RUSTFLAGS: coverageFlags.join('\u{1f}'),
    },
    stdio: ['ignore', 2, 2],
  });
  if ((await ended(child)) !== 0)
    throw new Error('The fuzz targets did not compile: see what cargo says above.');
  return join(directory, host, 'release');
}

async function fuzzTarget(program: string, target: string, seconds: number): Promise<FuzzOutcome> {
  const corpus = cacheDirectory('native', 'fuzz-corpus', target);
  const findings = join(root, 'artifacts/fuzz', target);
  const seeds = join(crate, 'seeds', target);
  await mkdir(corpus, { recursive: true });
  await mkdir(findings, { recursive: true });
  const limits = [`-timeout=${String(inputTimeout)}`, `-rss_limit_mb=${String(memoryLimit)}`];
  const seeded = await tell(program, [...limits, '-runs=0', seeds]);
  const told = await tell(program, [
    ...limits,
    `-max_total_time=${String(seconds)}`,
    `-max_len=${String(longestInput)}`,
    '-print_final_stats=1',
    `-artifact_prefix=${findings}/`,
    corpus,
    seeds,
  ]);
  return {
    target,
    executions: number(/^stat::number_of_executed_units:\s*(\d+)/m, told.output),
    coverage: last(/cov: (\d+)/g, told.output),
    seedCoverage: last(/cov: (\d+)/g, seeded.output),
    corpus: (await readdir(corpus)).length,
    finding: told.code === 0 ? null : excerpt(told.output),
  };
}

async function tell(
  program: string,
  words: readonly string[],
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(program, words, {
    cwd: crate,
    env: { ...process.env, RUST_BACKTRACE: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const closed = once(child, 'close');
  const output = await text(child.stderr);
  await closed;
  return { code: child.exitCode, output };
}

/** From the failure on; libFuzzer has its own say about the input and where it lies at the end. */
function excerpt(output: string): string {
  const lines = output.split('\n');
  const start = lines.findIndex((line) => /panicked at|ERROR: libFuzzer/.test(line));
  const tail = lines.filter((line) => /^SUMMARY|^artifact_prefix/.test(line));
  return [...lines.slice(Math.max(0, start), start + 30), ...tail].join('\n');
}

function number(pattern: RegExp, output: string): number {
  return Number(pattern.exec(output)?.[1] ?? 0);
}

function last(pattern: RegExp, output: string): number {
  return Number([...output.matchAll(pattern)].at(-1)?.[1] ?? 0);
}
