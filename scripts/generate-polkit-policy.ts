import { mkdir, writeFile } from 'node:fs/promises';
import { policyFileName, renderPolicy } from '@sallyport/helper/authority/polkit-policy.ts';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';

/** Writes the product's polkit policy, which packages install; a unit test fails while it is out of date. */
const directory = new URL('../build/polkit/', import.meta.url);
await mkdir(directory, { recursive: true });
await writeFile(new URL(policyFileName(sallyportManifest), directory), renderPolicy(sallyportManifest));
