import { copyFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build, Platform } from 'electron-builder';
import { SystemExtensionError } from '@sallyport/shared/protocol/errors.ts';
import { describeElectron, ensureElectron, type ElectronRuntime } from '../test/rig/electron-runtime.ts';
import { MissingPrerequisite } from '../test/rig/missing-prerequisite.ts';
import { run } from '../test/rig/run.ts';
import { buildApp } from './build-app.ts';
import { buildCli, nodeLicence } from './build-cli.ts';
import { setFuses, shippedFuses } from './package/fuses.ts';
import { copyForTests } from './package/testing-build.ts';
import { ensurePrerequisites } from './prerequisites.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

export interface PackagedApp {
  /** The folder that is installed as `/opt/Sallyport`. */
  readonly directory: string;
  readonly executable: string;
  readonly electron: ElectronRuntime;
}

/**
 * Builds the app and its command line and packs them with their runtimes into `OUTPUT/linux-unpacked`, as they are
 * shipped.
 */
export async function packageApp(output: string): Promise<PackagedApp> {
  // A bundler only copies it: evaluated here, a manifest that cannot be used ends this before anything is built (E1).
  await import('@sallyport/shared/manifest/sallyport-manifest.ts');
  const electron = await ensureElectron();
  await buildApp();
  const directory = join(output, 'linux-unpacked');
  await rm(directory, { recursive: true, force: true });
  await build({
    projectDir: root,
    targets: Platform.LINUX.createTarget('dir'),
    publish: 'never',
    config: {
      extends: 'electron-builder.yml',
      directories: { output },
      electronVersion: electron.version,
      electronDist: electron.directory,
    },
  });
  // The runtime's own loader, which would run any folder; only a source tree needs it.
  await rm(join(directory, 'resources', 'default_app.asar'), { force: true });
  const executable = join(directory, 'sallyport');
  await setFuses(executable, shippedFuses);
  await copyFile(await buildCli(), join(directory, 'sallyport-cli'));
  await copyFile(nodeLicence(), join(directory, 'LICENSE.node.txt'));
  // It is run by others than who packed it, whatever their umask was.
  await run('chmod', ['-R', 'u+rwX,go+rX,go-w', directory]);
  return { directory, executable, electron };
}

/** Makes `OUTPUT/linux-unpacked-test` of what {@link packageApp} made: the same, but open to debuggers. */
export async function packageForTests(shipped: PackagedApp): Promise<PackagedApp> {
  const directory = `${shipped.directory}-test`;
  await copyForTests(shipped.directory, directory);
  return { ...shipped, directory, executable: join(directory, 'sallyport') };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { output: { type: 'string', default: 'out' }, test: { type: 'boolean', default: false } },
  });
  try {
    await ensurePrerequisites('package');
    const shipped = await packageApp(resolve(values.output));
    console.log(`Packed ${shipped.directory} with ${describeElectron(shipped.electron)}.`);
    if (values.test) {
      const { directory } = await packageForTests(shipped);
      console.log(`Its twin for tests, which lets debuggers in, is ${directory}. Never install that one.`);
    }
  } catch (error) {
    if (!(error instanceof MissingPrerequisite || error instanceof SystemExtensionError)) throw error;
    console.error(error.message);
    // electron-builder's exit hook would end the process with 0, whatever exitCode is.
    process.exit(1);
  }
}
