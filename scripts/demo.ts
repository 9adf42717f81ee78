import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildNative } from './build-native.ts';
import { ensurePrerequisites } from './prerequisites.ts';
import { enterPrivateNamespaces } from '../test/rig/namespace.ts';
import { MissingPrerequisite } from '../test/rig/missing-prerequisite.ts';

/**
 * `npm run demo`: the main job, seen from a terminal, without touching this machine.
 *
 * Builds what is missing, then does everything inside private namespaces (`demo/inside.ts`).
 */
const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } });
const startedAt = Date.now();

try {
  await ensurePrerequisites('demo');
  if (!values.json) process.stdout.write('Building the native addon, if it is not there yet …\n');
  await buildNative();
  process.exitCode = await enterPrivateNamespaces(fileURLToPath(new URL('demo/inside.ts', import.meta.url)), [
    ...(values.json ? ['--json'] : []),
    '--started-at',
    String(startedAt),
  ]);
} catch (error) {
  if (!(error instanceof MissingPrerequisite)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
