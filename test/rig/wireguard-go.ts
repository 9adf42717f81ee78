import { once } from 'node:events';
import { mkdir, mkdtemp, rename, rm, access, constants } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { Background } from './background.ts';
import { cacheDirectory } from './cache.ts';
import { MissingPrerequisite } from './missing-prerequisite.ts';
import { findProgram, run, searchPath } from './run.ts';

const module = 'golang.zx2c4.com/wireguard';
/** The version against which the figures of the benchmarks are compared. */
export const wireGuardGoVersion = 'v0.0.0-20260522210424-ecfc5a8d5446';

/**
 * The path of wireguard-go, the foreign implementation that most tests talk to: from the cache, else built with
 * Go, else the one that is installed. Building needs the network: scripts call this once before they enter
 * private namespaces, where the cache answers.
 *
 * @throws {MissingPrerequisite} there is neither Go nor an installed wireguard-go
 */
export async function ensureWireGuardGo(): Promise<string> {
  const path = join(cacheDirectory('peers'), `wireguard-go-${wireGuardGoVersion}`);
  const isBuilt = await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
  if (isBuilt) return path;
  const go = await findProgram('go');
  if (go === null) {
    const installed = await findProgram('wireguard-go');
    if (installed !== null) return installed;
    throw new MissingPrerequisite(
      'No foreign WireGuard peer: install Go 1.23 or newer (https://go.dev/dl) or wireguard-go (apt-get install wireguard-go), and run this again.',
    );
  }
  await build(go, path).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message.replaceAll('\n', ' ') : String(error);
    throw new MissingPrerequisite(
      `wireguard-go could not be built; run this again where Go's module proxy can be reached. ${reason}`,
    );
  });
  return path;
}

async function build(go: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const workshop = await mkdtemp(join(dirname(path), 'build-'));
  try {
    await run(go, ['install', `${module}@${wireGuardGoVersion}`], {
      env: { ...process.env, PATH: searchPath(), CGO_ENABLED: '0', GOBIN: workshop, GOFLAGS: '' },
      timeout: 600_000,
    });
    await rename(join(workshop, 'wireguard'), path);
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
}

/**
 * Starts wireguard-go, in a namespace by name or in the caller's own, and waits until `wg` may talk to it.
 *
 * Asking earlier would be the end of it: `wg` removes a control socket that refuses it, which one does between its
 * making and its first listening, and wireguard-go ends when its socket is removed.
 */
export async function startWireGuardGo(interfaceName: string, namespace?: string): Promise<Background> {
  const program = await ensureWireGuardGo();
  const words = [program, '-f', interfaceName];
  const background =
    namespace === undefined
      ? await Background.start(program, words.slice(1))
      : await Background.start('ip', ['netns', 'exec', namespace, ...words]);
  try {
    await background.until(() => accepts(`/run/wireguard/${interfaceName}.sock`));
    return background;
  } catch (error) {
    await background.stop();
    throw error;
  }
}

async function accepts(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
