import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { round, type BenchResult } from './result.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

/**
 * README's first command on a clean clone: `npm ci`, then the demo, native build and peer included.
 *
 * The caches of npm, Cargo and Go may be warm, as on any developer's machine; what the project itself caches is not.
 */
export async function benchInstall(): Promise<BenchResult> {
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-install-'));
  const clone = join(directory, 'clone');
  const environment = { ...withoutNpm(process.env), SALLYPORT_CACHE: join(directory, 'cache') };
  const timed = async (program: string, args: readonly string[]): Promise<number> => {
    const begin = performance.now();
    await run(program, args, { cwd: clone, env: environment, maxBuffer: 64 * 1024 * 1024 });
    return (performance.now() - begin) / 1000;
  };
  try {
    await run('git', ['clone', '--quiet', root, clone]);
    const install = await timed('npm', ['ci']);
    const first = await timed('npm', ['run', 'demo', '--', '--json']);
    const again = await timed('npm', ['run', 'demo', '--', '--json']);
    return {
      name: 'install',
      title: 'Clean clone to demo',
      method:
        'A fresh clone, `npm ci`, then the demo with an empty cache of the project’s own; package managers’ caches warm. One run.',
      columns: ['step', 'seconds'],
      rows: [
        ['npm ci', round(install)],
        ['first demo, with the native build', round(first)],
        ['npm ci to demo done', round(install + first)],
        ['demo again', round(again)],
      ],
      aims: [],
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Leaves out what an npm that started this process tells its children: they would work in this tree. */
function withoutNpm(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^(npm_|INIT_CWD$|NODE$|NODE_ENV$)/.test(name)),
  );
}
