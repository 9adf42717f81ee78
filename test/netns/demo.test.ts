import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { run } from '../rig/run.ts';

const demo = fileURLToPath(new URL('../../scripts/demo.ts', import.meta.url));
const summarySchema = z.object({ leftovers: z.array(z.string()), helperPids: z.array(z.int()) });

test('the demo that README names does all its steps and leaves nothing behind', async () => {
  const output = await run(process.execPath, [demo, '--json'], { timeout: 55_000 });
  const summary = summarySchema.parse(JSON.parse(output.trimEnd().split('\n').at(-1) ?? ''));
  expect(summary.leftovers).toEqual([]);
  expect(new Set(summary.helperPids).size).toBe(1);
});
