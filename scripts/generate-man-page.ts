import { mkdir, writeFile } from 'node:fs/promises';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { allCommands } from '../app/cli/all-commands.ts';
import { renderManPage } from '../app/cli/man-page.ts';

/** Writes the manual page from the CLI's own definitions; a unit test fails while the two differ. */
const folder = new URL('../build/man/', import.meta.url);
await mkdir(folder, { recursive: true });
await writeFile(new URL('sallyport.1', folder), renderManPage(allCommands(), sallyportManifest.version));
