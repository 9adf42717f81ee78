import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { parseManifest } from '@sallyport/shared/manifest/manifest.ts';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { buildNative } from './build-native.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Bundles the helper into plain JavaScript, as it is shipped and as benchmarks measure it.
 *
 * Run from its sources, Node strips the types at start, which costs some 40 MB that no user has. Provider modules
 * stay modules of their own, since the manifest names them; what they share with the helper is in common chunks, so
 * that there is one `PacketTunnelProvider`.
 *
 * @param manifest names the provider modules, which lie in `helper/`; the product's own unless told
 * @returns path of the bundle's `main.js`
 * @throws {SystemExtensionError} the manifest cannot be used (contract E1); nothing was built
 */
export async function buildHelper(manifest: unknown = sallyportManifest): Promise<string> {
  const { providerClasses } = parseManifest(manifest);
  const addon = await buildNative();
  const output = join(root, 'dist', 'helper');
  await rm(output, { recursive: true, force: true });
  await mkdir(output, { recursive: true });
  const providers = (providerClasses['packet-tunnel'] ?? []).map(({ module }) =>
    join(root, 'helper', module),
  );
  await build({
    absWorkingDir: root,
    entryPoints: [join(root, 'helper', 'main.ts'), ...providers],
    outdir: output,
    outbase: join(root, 'helper'),
    bundle: true,
    splitting: true,
    chunkNames: '[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // Names stay, so that a stack in the log can be read.
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'linked',
    // vscode-jsonrpc is CommonJS and asks for Node's modules at run time.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
  await copyFile(addon, join(output, 'sallyport.node'));
  return join(output, 'main.js');
}
