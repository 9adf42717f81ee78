import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { sharedCacheDirectory } from '../test/rig/cache.ts';
import { MissingPrerequisite } from '../test/rig/missing-prerequisite.ts';
import { run } from '../test/rig/run.ts';
import { keepNewest } from './keep-newest.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

/** Marks the byte in Node's executable that says whether a program is inside, nodejs.org/api/single-executable-applications. */
const sentinel = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/** What Node is told about the program inside it. */
const configuration = {
  main: 'cli.cjs',
  output: 'cli.blob',
  disableExperimentalSEAWarning: true,
  useSnapshot: false,
  useCodeCache: true,
  // Otherwise a signal would open the inspector, and `OPENSSL_CONF` name libraries to load.
  execArgv: ['--disable-sigusr1', '--openssl-config=/dev/null'],
  // No word and no variable from outside becomes an option of Node: neither --inspect nor NODE_OPTIONS.
  execArgvExtension: 'none',
};

/** Executables of this many different sources are kept. */
const keptBuilds = 3;

/**
 * Makes the command line one executable: the pinned Node with the bundled program inside.
 *
 * The helper knows its clients by their executable. A script that `node` runs would be known as `node`, which runs
 * whatever it is told; this executable runs the one program that is in it. It lies in the cache under a digest of all
 * that it is made of, readable for everyone.
 *
 * @returns its path
 * @throws {MissingPrerequisite} the pinned Node was not installed
 */
export async function buildCli(): Promise<string> {
  const node = pinnedNode();
  const program = await bundle();
  const builds = sharedCacheDirectory('cli');
  const directory = join(builds, await digest(node, program));
  const executable = join(directory, 'sallyport-cli');
  if (!(await isThere(executable))) {
    await mkdir(builds, { recursive: true, mode: 0o755 });
    await assemble(node, program, builds, directory);
  }
  await keepNewest(builds, directory, keptBuilds);
  return executable;
}

/** The licence of the Node inside, which goes wherever the executable goes. */
export function nodeLicence(): string {
  return join(dirname(pinnedNode()), '..', 'LICENSE');
}

function pinnedNode(): string {
  const name = `node-linux-${process.arch}`;
  try {
    return join(dirname(require.resolve(`${name}/package.json`)), 'bin', 'node');
  } catch {
    throw new MissingPrerequisite(`The package ${name} is missing: run \`npm ci\` and run this again.`);
  }
}

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(root, 'app/cli/packaged-main.ts')],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    // Names stay, so that a stack can be read.
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'inline',
    logLevel: 'warning',
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error('The command line was bundled into nothing.');
  return file.text;
}

async function digest(node: string, program: string): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(configuration)).update(program);
  await pipeline(createReadStream(node), hash, { end: false });
  return hash.digest('hex').slice(0, 32);
}

async function assemble(node: string, program: string, builds: string, directory: string): Promise<void> {
  const workshop = await mkdtemp(join(builds, '.new-'));
  try {
    const at = (name: string): string => join(workshop, name);
    await writeFile(at(configuration.main), program);
    await writeFile(at('sea-config.json'), JSON.stringify(configuration));
    await run(node, ['--experimental-sea-config', 'sea-config.json'], { cwd: workshop });
    await mkdir(at('build'), { mode: 0o755 });
    const executable = at('build/sallyport-cli');
    await copyFile(node, executable);
    await chmod(executable, 0o755);
    const words = [executable, 'NODE_SEA_BLOB', at(configuration.output), '--sentinel-fuse', sentinel];
    await run(process.execPath, [join(dirname(require.resolve('postject')), 'cli.js'), ...words]);
    await chmod(at('build'), 0o755);
    await rename(at('build'), directory).catch(async (error: unknown) => {
      // Somebody else was faster with the same one.
      if (!(await isThere(join(directory, 'sallyport-cli')))) throw error;
    });
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

if (import.meta.main) {
  try {
    console.log(`The command line is in ${await buildCli()}.`);
  } catch (error) {
    if (!(error instanceof MissingPrerequisite)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
