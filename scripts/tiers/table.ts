import { access, chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeElectron } from '../../test/rig/electron-runtime.ts';
import { MissingPrerequisite } from '../../test/rig/missing-prerequisite.ts';
import { buildNative, requireToolchain } from '../build-native.ts';
import { checkContract } from '../contract.ts';
import { lint } from '../lint.ts';
import { ensurePrerequisites } from '../prerequisites.ts';
import { fuzzNative } from './native-fuzz.ts';
import { runCargoTests, runVitest } from './runners.ts';
import type { Tally } from './tally.ts';

export interface TierDefinition {
  readonly name: string;
  /** For `npm test`'s own headline. */
  readonly what: string;
  /** Builds what the tier needs and runs it; `patterns` choose among its test files. */
  readonly run: (patterns: readonly string[]) => Promise<Tally>;
}

/** Every tier, in the order of `npm test`: the fast ones first. The issue that brings a tier adds it here. */
export const tiers: readonly TierDefinition[] = [
  { name: 'lint', what: 'formatting, layers, types, licences', run: () => lint() },
  { name: 'contract', what: 'every closed behaviour has its test', run: () => checkContract() },
  {
    name: 'unit',
    what: 'the code, with time, system and network injected',
    run: async (patterns) => {
      await ensurePrerequisites('unit');
      await buildNative();
      return runVitest('unit', { isPrivate: false, patterns });
    },
  },
  {
    name: 'rust',
    what: 'the native crate',
    run: async () => {
      await requireToolchain();
      return runCargoTests();
    },
  },
  {
    name: 'netns',
    what: 'kernel, routes, firewall and a foreign peer, in namespaces',
    run: async (patterns) => {
      await ensurePrerequisites('netns');
      await buildNative();
      return runVitest('netns', { isPrivate: true, patterns });
    },
  },
  {
    name: 'bus',
    what: 'system services on a bus of their own',
    run: async (patterns) => {
      await ensurePrerequisites('bus');
      await buildNative();
      return runVitest('bus', { isPrivate: true, patterns });
    },
  },
  {
    name: 'attack',
    what: 'attacks on a running helper, by other users and programs',
    run: async (patterns) => {
      if (process.geteuid?.() !== 0) {
        throw new MissingPrerequisite(
          'The attacks are mounted by other users on a helper of root: run `sudo npm run test:attack`.',
        );
      }
      await ensurePrerequisites('attack');
      await buildNative();
      // Loaded only here: the bundler is slow to start.
      const { buildCli } = await import('../build-cli.ts');
      return runVitest('attack', { isPrivate: true, patterns, env: { SALLYPORT_CLI: await buildCli() } });
    },
  },
  { name: 'desktop', what: 'the packed application in real Electron', run: desktop },
  {
    name: 'fuzz',
    what: 'hostile input',
    run: async (patterns) => {
      await ensurePrerequisites('fuzz');
      const tally = await runVitest('fuzz', { isPrivate: false, patterns });
      // Patterns choose among the test files; the native targets are no files of that kind.
      return patterns.length > 0 ? tally : add(tally, await runNativeFuzz());
    },
  },
];

/** Seconds for each native fuzz target: what CI has time for. `npm run fuzz` takes longer. */
const fuzzSeconds = 12;

async function runNativeFuzz(): Promise<Tally> {
  const outcomes = await fuzzNative(fuzzSeconds, ({ target, executions, coverage, finding }) => {
    const end = finding === null ? 'ok  ' : 'FAIL';
    process.stdout.write(`${end} ${target}: ${String(executions)} executions, ${String(coverage)} edges\n`);
    if (finding !== null) process.stdout.write(`${finding}\n`);
  });
  // Without coverage nothing guides it.
  const failed = outcomes.filter(({ finding, coverage }) => finding !== null || coverage === 0).length;
  return { passed: outcomes.length - failed, failed };
}

function add(one: Tally, other: Tally): Tally {
  return { passed: one.passed + other.passed, failed: one.failed + other.failed };
}

async function desktop(patterns: readonly string[]): Promise<Tally> {
  if (process.geteuid?.() !== 0) {
    throw new MissingPrerequisite(
      'desktop needs a helper run as real root: run `sudo npm run test:desktop`.',
    );
  }
  await ensurePrerequisites('desktop');
  await buildNative();
  // Loaded only here: electron-builder is slow to start.
  const { packageApp, packageForTests } = await import('../package.ts');
  // Below /tmp: an ordinary user runs it, who may not be let into the source tree.
  const output = await mkdtemp(join(tmpdir(), 'sallyport-desktop-'));
  try {
    await chmod(output, 0o755);
    const shipped = await packageApp(output);
    const { executable, electron } = await packageForTests(shipped);
    await access(executable);
    process.stdout.write(`${describeElectron(electron)}\n`);
    return await runVitest('desktop', {
      isPrivate: true,
      patterns,
      env: {
        SALLYPORT_PACKAGED_APP: executable,
        SALLYPORT_SHIPPED_APP: shipped.executable,
        SALLYPORT_ELECTRON: electron.executable,
      },
    });
  } finally {
    await rm(output, { recursive: true, force: true });
  }
}
