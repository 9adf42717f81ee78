import { writeFile } from 'node:fs/promises';
import { allCommands } from '../app/cli/all-commands.ts';
import { renderCli } from './cli-docs/render-cli.ts';

/** Writes `docs/cli.md` from the CLI's own definitions; a unit test fails while the two differ. */
await writeFile(new URL('../docs/cli.md', import.meta.url), renderCli(allCommands()));
