import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { spawnInPrivateNamespaces } from '../../test/rig/namespace.ts';
import { developerHelperSchema, type DeveloperHelper } from './developer-helper-line.ts';

export interface RunningDeveloperHelper extends AsyncDisposable {
  readonly facts: DeveloperHelper;
}

/**
 * Starts a developer-mode helper and its peer inside private namespaces.
 *
 * @throws {MissingPrerequisite} this user may not make namespaces or TUN devices here
 */
export async function startDeveloperHelper(): Promise<RunningDeveloperHelper> {
  if (process.getuid === undefined) throw new Error('This platform has no uids; the endpoint needs them.');
  const script = fileURLToPath(new URL('developer-helper.ts', import.meta.url));
  const child = await spawnInPrivateNamespaces(
    process.execPath,
    [script, '--uid', String(process.getuid())],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  if (child.stdout === null) throw new Error('The developer helper has no standard output.');
  const ended = once(child, 'exit');
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line').then(([text]) => String(text)),
    ended.then(() => {
      throw new Error('The developer-mode helper ended before it was ready; what it said stands above.');
    }),
  ]);
  return {
    facts: developerHelperSchema.parse(JSON.parse(line)),
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await ended;
    },
  };
}
