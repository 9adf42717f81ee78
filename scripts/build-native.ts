import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory } from '../test/rig/cache.ts';
import { MissingPrerequisite } from '../test/rig/missing-prerequisite.ts';
import { findProgram, run } from '../test/rig/run.ts';
import { keepNewest } from './keep-newest.ts';

const crate = fileURLToPath(new URL('../helper/native/', import.meta.url));

/** What a build makes, and what of it the tree has: the addon is ignored, its declarations are committed. */
const products = ['sallyport.node', 'binding.d.ts'] as const;

/** Oldest Rust that compiles the crate (`rust-version` in Cargo.toml). */
const oldestRust = [1, 95] as const;

/** Builds of this many different sources are kept. */
const keptBuilds = 4;

/**
 * Brings the native addon up to date with its sources and returns its path.
 *
 * Builds lie in this user's cache, each under a digest of the crate's sources, `Cargo.lock` and the compiler:
 * what was built once, also in another clone, is only copied. Any number of these may run at the same time.
 *
 * @throws {MissingPrerequisite} without Rust or a C compiler; its message names the remedy
 */
export async function buildNative(): Promise<string> {
  const compiler = await rustVersion();
  const builds = cacheDirectory('native', 'builds');
  const build = join(builds, await digest(compiler));
  if (!(await isThere(build))) {
    await requireCompiler();
    await mkdir(builds, { recursive: true });
    await compile(builds, build);
    // Sources that were edited meanwhile may or may not be in what was built.
    if (build !== join(builds, await digest(compiler))) {
      await rm(build, { recursive: true, force: true });
      return buildNative();
    }
  }
  for (const product of products) await install(join(build, product), join(crate, product));
  await keepNewest(builds, build, keptBuilds);
  return join(crate, products[0]);
}

/** Everything that decides what comes out. */
async function digest(compiler: string): Promise<string> {
  const hash = createHash('sha256').update(`${compiler}\n${process.arch}\n`);
  const sources = await readdir(join(crate, 'src'), { recursive: true, withFileTypes: true });
  const files = sources.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  files.push(...['Cargo.toml', 'Cargo.lock', 'build.rs'].map((name) => join(crate, name)));
  for (const file of files.sort()) {
    const content = await readFile(file);
    hash.update(`${relative(crate, file)}\n${String(content.length)}\n`).update(content);
  }
  return hash.digest('hex').slice(0, 32);
}

/** Compiles into the cache; whoever finishes first with a digest provides it for all. */
async function compile(builds: string, build: string): Promise<void> {
  const fresh = await mkdtemp(join(builds, '.new-'));
  try {
    await napiBuild(fresh);
    await rename(join(fresh, 'index.node'), join(fresh, products[0]));
    await rename(fresh, build);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    if (!(await isThere(build))) throw error;
  }
}

/** Runs cargo through the napi command line, which also writes the declarations. */
async function napiBuild(output: string): Promise<void> {
  const cli = join(dirname(createRequire(import.meta.url).resolve('@napi-rs/cli')), 'cli.js');
  const options = ['build', '--release', '--no-js', '--no-dts-header', '--dts', products[1]];
  const places = [
    '--manifest-path',
    join(crate, 'Cargo.toml'),
    '--package-json-path',
    join(crate, '../package.json'),
  ];
  const outputs = ['--output-dir', output, '--target-dir', cacheDirectory('native', 'target')];
  const command = [process.execPath, cli, ...options, ...places, ...outputs, '--', '--locked'];
  // All clones share cargo's directory: until its product is copied out, nobody else may replace it.
  const child = spawn('flock', [cacheDirectory('native', 'lock'), ...command], {
    cwd: crate,
    // What cargo tells goes to the person; standard output belongs to whoever called.
    stdio: ['ignore', 2, 2],
  });
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error('The native addon did not compile: see what cargo says above.');
}

/** Puts a file in place unless it is there already. A process that has the old one open keeps it. */
async function install(from: string, to: string): Promise<void> {
  const wanted = await readFile(from);
  const present = await readFile(to).catch(() => null);
  if (present?.equals(wanted) === true) return;
  const temporary = `${to}.${String(process.pid)}`;
  await cp(from, temporary);
  await rename(temporary, to);
}

/**
 * What every build of the crate needs.
 *
 * @throws {MissingPrerequisite} without Rust or a C compiler; its message names the remedy
 */
export async function requireToolchain(): Promise<void> {
  await rustVersion();
  await requireCompiler();
}

async function rustVersion(): Promise<string> {
  const remedy = `Install Rust ${oldestRust.join('.')} or newer from https://rustup.rs, then run \`npm run build:native\`.`;
  if ((await findProgram('cargo')) === null || (await findProgram('rustc')) === null) {
    throw new MissingPrerequisite(`The native addon needs Rust. ${remedy}`);
  }
  const version = await run('rustc', ['-vV'], { cwd: crate });
  const [, major, minor] = /^release: (\d+)\.(\d+)/m.exec(version) ?? [];
  if (Number(major) < oldestRust[0] || (Number(major) === oldestRust[0] && Number(minor) < oldestRust[1])) {
    throw new MissingPrerequisite(
      `The native addon does not compile with Rust ${String(major)}.${String(minor)}. ${remedy}`,
    );
  }
  return version;
}

async function requireCompiler(): Promise<void> {
  if ((await findProgram('cc')) === null) {
    throw new MissingPrerequisite(
      'The native addon needs a C compiler: run `apt install build-essential` or your distribution’s like, then `npm run build:native`.',
    );
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

if (import.meta.main) {
  try {
    await buildNative();
  } catch (error) {
    console.error(error instanceof MissingPrerequisite ? error.message : error);
    process.exitCode = 1;
  }
}
