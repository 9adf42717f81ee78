import { readFile, writeFile } from 'node:fs/promises';
import { withAttacks } from './attack-docs/render-attacks.ts';

/** Writes the table of attacks into `docs/security.md`; a unit test fails while the two differ. */
const path = new URL('../docs/security.md', import.meta.url);
await writeFile(path, await withAttacks(await readFile(path, 'utf8')));
