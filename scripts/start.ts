import { spawn } from 'node:child_process';
import { describeElectron, ensureElectron } from '../test/rig/electron-runtime.ts';
import { MissingPrerequisite } from '../test/rig/missing-prerequisite.ts';
import { ended } from '../test/rig/namespace.ts';
import { developerEndpointVariable } from '@sallyport/shared/manifest/developer-endpoint.ts';
import { buildApp } from './build-app.ts';
import { buildNative } from './build-native.ts';
import { ensurePrerequisites } from './prerequisites.ts';
import { startDeveloperHelper } from './start/start-developer-helper.ts';

/*
 * `npm start`: the app from the source tree, against a helper in developer mode with a peer to connect to. This
 * machine's network is not touched, and nothing is left when the app quits.
 */
try {
  process.exitCode = await start();
} catch (error) {
  if (!(error instanceof MissingPrerequisite)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

async function start(): Promise<number> {
  if (process.env['DISPLAY'] === undefined && process.env['WAYLAND_DISPLAY'] === undefined) {
    throw new MissingPrerequisite(
      'There is no display: run `npm start` on a desktop, or `xvfb-run npm start`.',
    );
  }
  await ensurePrerequisites('start');
  console.log('Building what is missing …');
  const electron = await ensureElectron();
  await buildNative();
  const app = await buildApp();

  await using helper = await startDeveloperHelper();
  const { ready, sample, page, peer } = helper.facts;
  console.log(`
${describeElectron(electron)}, developer mode: everything happens in namespaces of its own.

  Import this file      ${sample}
  and connect to        ${peer}, with a page at ${page}
  The command line      ${developerEndpointVariable}=${ready} npm run sallyport -- status
`);
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) console.warn('Chromium’s sandbox does not work for root and is off: use an ordinary user.\n');
  // Chromium remarks on every bus and graphics driver that it does not find.
  const switches = ['--log-level=3', ...(isRoot ? ['--no-sandbox'] : [])];
  const child = spawn(electron.executable, [...switches, app], {
    env: { ...process.env, [developerEndpointVariable]: ready },
    stdio: 'inherit',
  });
  return await ended(child);
}
