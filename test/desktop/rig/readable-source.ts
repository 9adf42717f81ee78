import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assertPrivateNamespaces } from '@sallyport/helper/developer/private-namespaces.ts';
import { cacheDirectory } from '../../rig/cache.ts';
import { run } from '../../rig/run.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The source tree where an ordinary user can read it, wherever it was cloned to. */
export interface ReadableSource extends AsyncDisposable {
  /** A file of the tree, by its path in it. */
  readonly path: (file: string) => string;
  /** The Node that runs the tests. */
  readonly node: string;
  /** Makes what was built before be found. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Shows tree and cache below a `/mnt` of the rig's own mount namespace. */
export async function showSource(): Promise<ReadableSource> {
  assertPrivateNamespaces();
  const source = '/mnt/source';
  const cache = '/mnt/cache/sallyport';
  await run('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/mnt']);
  for (const [from, to] of [
    [root, source],
    [cacheDirectory(), cache],
  ] as const) {
    await mkdir(to, { recursive: true, mode: 0o755 });
    await run('mount', ['--bind', from, to]);
  }
  const path = (file: string): string => join(source, file);
  return {
    path,
    node: path(relative(root, process.execPath)),
    environment: { SALLYPORT_CACHE: '/mnt/cache' },
    [Symbol.asyncDispose]: async () => {
      await run('umount', ['--lazy', '--recursive', '/mnt']);
    },
  };
}
