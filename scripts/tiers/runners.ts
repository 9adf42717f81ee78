import { spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { cacheDirectory } from '../../test/rig/cache.ts';
import { ended, spawnInPrivateNamespaces } from '../../test/rig/namespace.ts';
import { tallyCargo, tallyVitest, type Tally } from './tally.ts';

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** Cargo builds where `build-native.ts` does, so that tests and lint find its dependencies built. */
export const cargoEnvironment: NodeJS.ProcessEnv = {
  CARGO_TARGET_DIR: cacheDirectory('native', 'target'),
};

const vitest = join(root, 'node_modules/vitest/vitest.mjs');

export interface VitestOptions {
  /** Runs inside private namespaces: nothing that its tests do reaches this machine's network. */
  readonly isPrivate: boolean;
  readonly env?: NodeJS.ProcessEnv;
  /** File name patterns; all files of the tier unless told. */
  readonly patterns?: readonly string[];
}

/** Runs the vitest project of that name; its JSON report is kept as `artifacts/test/NAME.json`. */
export async function runVitest(project: string, options: VitestOptions): Promise<Tally> {
  const report = join(root, 'artifacts/test', `${project}.json`);
  await mkdir(dirname(report), { recursive: true });
  await rm(report, { force: true });
  const words = [
    vitest,
    'run',
    ...['--project', project],
    ...['--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    ...(options.patterns ?? []),
  ];
  const env = { ...process.env, ...options.env };
  const child = options.isPrivate
    ? await spawnInPrivateNamespaces(process.execPath, words, { cwd: root, env })
    : spawn(process.execPath, words, { cwd: root, env, stdio: 'inherit' });
  const code = await ended(child);
  const json = await readFile(report, 'utf8').catch(() => null);
  if (json === null) return { passed: 0, failed: code === 0 ? 0 : 1 };
  const tally = tallyVitest(JSON.parse(json));
  return code !== 0 && tally.failed === 0 ? { ...tally, failed: 1 } : tally;
}

/** Runs the Rust crate's tests inside private namespaces; they are built outside, where crates can be fetched. */
export async function runCargoTests(): Promise<Tally> {
  const words = ['--manifest-path', join(root, 'helper/native/Cargo.toml'), '--locked'];
  const env = { ...process.env, ...cargoEnvironment };
  const build = spawn('cargo', ['test', '--no-run', ...words], { env, stdio: 'inherit' });
  if ((await ended(build)) !== 0) return { passed: 0, failed: 1 };

  const child = await spawnInPrivateNamespaces('cargo', ['test', '--offline', '--no-fail-fast', ...words], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const output = child.stdout === null ? Promise.resolve('') : text(child.stdout);
  child.stdout?.pipe(process.stdout, { end: false });
  return tallyCargo(await output, await ended(child));
}
