import { parseArgs } from 'node:util';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { parseManifest, type ExtensionManifest } from '@sallyport/shared/manifest/manifest.ts';
import { SystemExtensionError, serializeError } from '@sallyport/shared/protocol/errors.ts';
import { logLevelSchema } from '@sallyport/shared/protocol/log.ts';
import { cleanEnvironment } from './clean-environment.ts';
import { assertPrivateNamespaces } from './developer/private-namespaces.ts';
import { exitCodeOfFault, guardProcess } from './host/process-guard.ts';
import { Logger } from './log/logger.ts';
import { native } from './native/load.ts';
import { startSystemExtensionMode } from './system-extension-mode.ts';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { dirname, resolve } from 'node:path';

const { values } = parseArgs({
  options: {
    developer: { type: 'boolean', default: false },
    endpoint: { type: 'string' },
    state: { type: 'string' },
    manifest: { type: 'string' },
    'log-level': { type: 'string', default: 'info' },
  },
});

const logger = new Logger((line) => process.stderr.write(line), {
  level: logLevelSchema.parse(values['log-level']),
});
const end = guardProcess(logger.child('main'));

try {
  if (values.developer) assertPrivateNamespaces();
  else if (process.geteuid?.() !== 0) {
    throw new SystemExtensionError(
      'authorizationRequired',
      'The helper must run as root. To try it without, use developer mode: npm start.',
    );
  }
  // Before there can be a secret in memory; it also closes that to other processes of the same uid.
  native().disableCoreDumps();
  cleanEnvironment(process.env);
  process.umask(0o077);

  const { manifest, base } = chosenManifest(values.manifest);
  const extension = await startSystemExtensionMode(manifest, {
    base,
    logger,
    developerMode: values.developer,
    ...(values.endpoint === undefined ? {} : { endpoint: resolve(values.endpoint) }),
    ...(values.state === undefined ? {} : { state: resolve(values.state) }),
  });
  // Whoever started this process, a service manager or a script, waits for this line.
  process.stdout.write(`${JSON.stringify({ ready: extension.endpoint, pid: process.pid })}\n`);

  let isStopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (isStopping) return;
      isStopping = true;
      extension.stop().then(
        () => end.exit(0),
        (error: unknown) => {
          logger.log('error', 'main', 'The helper could not stop in order.', {
            fields: { error: String(error) },
          });
          end.exit(exitCodeOfFault);
        },
      );
    });
  }
} catch (error) {
  const { code, message } = serializeError(error);
  logger.log('error', 'main', `The helper could not start: ${message}`, { fields: { code } });
  end.exit(1);
}

/** The product's manifest, or that of another extension, whose modules lie beside the file. */
function chosenManifest(path: string | undefined): { manifest: ExtensionManifest; base: URL } {
  if (path === undefined)
    return { manifest: asBuilt(sallyportManifest), base: new URL('./', import.meta.url) };
  const manifest = parseManifest(JSON.parse(readFileSync(path, 'utf8')));
  return { manifest, base: pathToFileURL(`${dirname(resolve(path))}/`) };
}

/** The manifest names source files; beside a bundled main they are JavaScript. */
function asBuilt(manifest: ExtensionManifest): ExtensionManifest {
  if (import.meta.url.endsWith('.ts')) return manifest;
  const { providerClasses, ...rest } = manifest;
  const packetTunnels = (providerClasses['packet-tunnel'] ?? []).map((provider) => ({
    ...provider,
    module: provider.module.replace(/\.ts$/, '.js'),
  }));
  return { ...rest, providerClasses: { ...providerClasses, 'packet-tunnel': packetTunnels } };
}
