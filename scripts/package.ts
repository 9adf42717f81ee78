import { chmod, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build, Platform } from 'electron-builder';
import { describeElectron, ensureElectron, type ElectronRuntime } from '../test/rig/electron-runtime.ts';
import { MissingPrerequisite } from '../test/rig/missing-prerequisite.ts';
import { buildApp } from './build-app.ts';
import { ensurePrerequisites } from './prerequisites.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

export interface PackagedApp {
  /** The folder that is installed as `/opt/Sallyport`. */
  readonly directory: string;
  readonly executable: string;
  readonly electron: ElectronRuntime;
}

/** Builds the app and packs it with its runtime into `OUTPUT/linux-unpacked`. */
export async function packageApp(output: string): Promise<PackagedApp> {
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
  // It is run by others than who packed it, whatever their umask was.
  await chmod(directory, 0o755);
  return { directory, executable: join(directory, 'sallyport'), electron };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { output: { type: 'string', default: 'out' } } });
  try {
    await ensurePrerequisites('package');
    const { directory, electron } = await packageApp(resolve(values.output));
    console.log(`Packed ${directory} with ${describeElectron(electron)}.`);
  } catch (error) {
    if (!(error instanceof MissingPrerequisite)) throw error;
    console.error(error.message);
    // electron-builder's exit hook would end the process with 0, whatever exitCode is.
    process.exit(1);
  }
}
