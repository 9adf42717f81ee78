import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { benchResultSchema, formatResult, type BenchResult } from '../test/bench/result.ts';
import { benchInstall } from '../test/bench/install.ts';
import { MissingPrerequisite } from '../test/rig/missing-prerequisite.ts';
import { ended, spawnInPrivateNamespaces } from '../test/rig/namespace.ts';
import { buildHelper } from './build-helper.ts';
import { ensurePrerequisites } from './prerequisites.ts';
import { replaceSection } from './bench/sections.ts';

/**
 * `npm run bench [NAME …] [-- --json] [-- --write]`: measurements, side by side with a peer where there is one.
 *
 * `--json` prints one JSON line a benchmark; `--write` puts the results into `docs/benchmarks.md`.
 */
const benches: Readonly<Record<string, (helperMain: string) => Promise<BenchResult>>> = {
  dataplane: (helperMain) => inside('dataplane', helperMain),
  connect: (helperMain) => inside('connect', helperMain),
  endpoint: (helperMain) => inside('endpoint', helperMain),
  'endpoint-attack': (helperMain) => inside('endpoint-attack', helperMain),
  'app-start': packedAppStart,
  install: benchInstall,
};

const document = fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url));
const script = fileURLToPath(new URL('../test/bench/inside.ts', import.meta.url));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, write: { type: 'boolean', default: false } },
});

try {
  const unknown = positionals.find((name) => !(name in benches));
  if (unknown !== undefined) {
    throw new MissingPrerequisite(
      `There is no benchmark ${unknown}. There are: ${Object.keys(benches).join(', ')}`,
    );
  }
  await ensurePrerequisites('bench');
  const helperMain = await buildHelper();
  for (const [name, bench] of Object.entries(benches)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    const result = await bench(helperMain);
    process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : `\n${formatResult(result)}`);
    if (values.write) {
      const text = replaceSection(await readFile(document, 'utf8'), formatResult(result));
      await writeFile(
        document,
        await format(text, { ...(await resolveConfig(document)), filepath: document }),
      );
    }
    if (result.aims.some((aim) => !aim.met)) process.exitCode = 1;
  }
} catch (error) {
  if (!(error instanceof MissingPrerequisite)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
// Packing the app leaves an exit hook that would end the process with 0, whatever exitCode is.
process.exit();

/** Packs the app below /tmp, where the ordinary user who runs it may look. */
async function packedAppStart(helperMain: string): Promise<BenchResult> {
  await ensurePrerequisites('desktop');
  // Loaded only here: electron-builder is slow to start.
  const { packageApp, packageForTests } = await import('./package.ts');
  const output = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
  try {
    await chmod(output, 0o755);
    // Playwright drives it, which the shipped one refuses.
    const { executable } = await packageForTests(await packageApp(output));
    return await inside('app-start', helperMain, { SALLYPORT_PACKAGED_APP: executable });
  } finally {
    await rm(output, { recursive: true, force: true });
  }
}

/** Runs a benchmark in private namespaces, where the helper and the peer may change the network. */
async function inside(name: string, helperMain: string, env: NodeJS.ProcessEnv = {}): Promise<BenchResult> {
  const child = await spawnInPrivateNamespaces(process.execPath, [script, name, helperMain], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
  if ((await ended(child)) !== 0) throw new Error(`The benchmark ${name} failed.`);
  return benchResultSchema.parse(JSON.parse(output));
}
