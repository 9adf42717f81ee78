import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { allCommands } from '../../app/cli/all-commands.ts';
import { renderCli } from './render-cli.ts';

it('docs/cli.md is what the commands say; if not, run: node scripts/generate-cli-docs.ts', async () => {
  const written = await readFile(new URL('../../docs/cli.md', import.meta.url), 'utf8');
  expect(written).toBe(renderCli(allCommands()));
});
