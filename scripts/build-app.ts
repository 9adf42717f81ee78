import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { build as esbuild } from 'esbuild';
import { build as vite } from 'vite';
import { buildKindFile, buildKindText } from '../app/main/build-kind.ts';
import rootPackage from '../package.json' with { type: 'json' };

const root = fileURLToPath(new URL('..', import.meta.url));

export interface BuildAppOptions {
  /** Folder that becomes the app; emptied first. Default `dist/app`. */
  readonly output?: string;
  /** Entry of the main process; tests put a twin of the endpoint behind it. */
  readonly main?: string;
}

/**
 * Builds the container app into a folder that Electron can run and electron-builder can pack.
 *
 * Targets are those of the oldest Electron that the app supports, version 22: Node 16 and Chromium 108.
 *
 * @returns the folder
 */
export async function buildApp(options: BuildAppOptions = {}): Promise<string> {
  const output = options.output ?? join(root, 'dist', 'app');
  await rm(output, { recursive: true, force: true });
  await mkdir(output, { recursive: true });
  await Promise.all([
    bundle(options.main ?? join(root, 'app/main/main.ts'), join(output, 'main.cjs')),
    bundle(join(root, 'app/preload/preload.ts'), join(output, 'preload.cjs')),
    buildRenderer(join(output, 'renderer')),
    cp(join(root, 'build/icons'), join(output, 'icons'), {
      recursive: true,
      filter: (path) => !path.endsWith('/source'),
    }),
    writeFile(join(output, 'package.json'), JSON.stringify(applicationPackage(), null, 2)),
    writeFile(join(output, buildKindFile), buildKindText('shipped')),
  ]);
  return output;
}

async function bundle(entry: string, outfile: string): Promise<void> {
  await esbuild({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node16',
    external: ['electron'],
    define: { 'process.env.NODE_ENV': '"production"' },
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'warning',
  });
}

async function buildRenderer(output: string): Promise<void> {
  await vite({
    root: join(root, 'app/renderer'),
    configFile: false,
    base: './',
    logLevel: 'warn',
    plugins: [react()],
    build: {
      outDir: output,
      emptyOutDir: true,
      target: 'chrome108',
      cssTarget: 'chrome108',
      // One script: nothing to preload, and no code that the page's policy would refuse.
      modulePreload: false,
      assetsInlineLimit: 0,
      reportCompressedSize: false,
    },
  });
}

/** What Electron reads when it starts; everything the app needs is in the bundles. */
function applicationPackage(): Record<string, unknown> {
  const { version, license, description } = rootPackage;
  const author = 'The Sallyport authors';
  return {
    name: 'sallyport',
    productName: 'Sallyport',
    version,
    license,
    description,
    author,
    main: 'main.cjs',
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(`The app is in ${await buildApp()}.`);
}
