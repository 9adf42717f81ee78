import { writeFile } from 'node:fs/promises';
import { renderProtocol } from './protocol-docs/render-protocol.ts';

/** Writes `docs/protocol.md` from `shared/protocol`; a unit test fails while the two differ. */
await writeFile(new URL('../docs/protocol.md', import.meta.url), renderProtocol());
