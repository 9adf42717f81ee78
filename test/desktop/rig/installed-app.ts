import { access, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { MissingPrerequisite } from '../../rig/missing-prerequisite.ts';
import { assertPrivateNamespaces } from '@sallyport/helper/developer/private-namespaces.ts';
import { run } from '../../rig/run.ts';

/** The packed app where a package would install it. */
export interface InstalledApp extends AsyncDisposable {
  /** As the extension's manifest requires it of its clients. */
  readonly executable: string;
}

/**
 * Puts the packed app, named by `SALLYPORT_PACKAGED_APP`, below an `/opt` of the rig's own mount namespace.
 *
 * @throws {MissingPrerequisite} nothing was packed
 */
export async function installApp(): Promise<InstalledApp> {
  assertPrivateNamespaces();
  const packed = process.env['SALLYPORT_PACKAGED_APP'];
  if (packed === undefined) {
    throw new MissingPrerequisite('The app was not packed: run these tests with `npm run test:desktop`.');
  }
  await access(packed);
  const executable = sallyportManifest.clientRequirement.executables[0]?.path;
  if (executable === undefined) throw new Error('The manifest names no executable below /opt.');
  const folder = dirname(executable);
  await run('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/opt']);
  await mkdir(folder, { mode: 0o755 });
  await run('mount', ['--bind', dirname(packed), folder]);
  return {
    executable,
    [Symbol.asyncDispose]: async () => {
      await run('umount', ['--lazy', folder]);
      await run('umount', ['--lazy', '/opt']);
    },
  };
}
