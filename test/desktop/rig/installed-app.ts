import { access, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { MissingPrerequisite } from '../../rig/missing-prerequisite.ts';
import { assertPrivateNamespaces } from '@sallyport/helper/developer/private-namespaces.ts';
import { run } from '../../rig/run.ts';

/** `shipped` is what people get, `testing` its twin that a debugger may drive. */
export type PackedKind = 'shipped' | 'testing';

const variables: Readonly<Record<PackedKind, string>> = {
  shipped: 'SALLYPORT_SHIPPED_APP',
  testing: 'SALLYPORT_PACKAGED_APP',
};

/** The packed app where a package would install it. */
export interface InstalledApp extends AsyncDisposable {
  /** As the extension's manifest requires it of its clients. */
  readonly executable: string;
  /** The command line, an executable beside it. */
  readonly cli: string;
}

/**
 * The executable of a packed app, before it is installed.
 *
 * @throws {MissingPrerequisite} nothing was packed
 */
export async function packedExecutable(kind: PackedKind): Promise<string> {
  const packed = process.env[variables[kind]];
  if (packed === undefined) {
    throw new MissingPrerequisite('The app was not packed: run these tests with `npm run test:desktop`.');
  }
  await access(packed);
  return packed;
}

/**
 * Puts a packed app below an `/opt` of the rig's own mount namespace.
 *
 * @throws {MissingPrerequisite} nothing was packed
 */
export async function installApp(kind: PackedKind = 'testing'): Promise<InstalledApp> {
  assertPrivateNamespaces();
  const packed = await packedExecutable(kind);
  const executable = sallyportManifest.clientRequirement.executables[0]?.path;
  if (executable === undefined) throw new Error('The manifest names no executable below /opt.');
  const folder = dirname(executable);
  await run('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/opt']);
  await mkdir(folder, { mode: 0o755 });
  await run('mount', ['--bind', dirname(packed), folder]);
  return {
    executable,
    cli: join(folder, 'sallyport-cli'),
    [Symbol.asyncDispose]: async () => {
      await run('umount', ['--lazy', folder]);
      await run('umount', ['--lazy', '/opt']);
    },
  };
}
