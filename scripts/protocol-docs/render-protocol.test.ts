import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { describe, expect, it } from 'vitest';
import { methodNames, notificationNames } from '@sallyport/shared/protocol/methods.ts';
import { renderProtocol } from './render-protocol.ts';
import { renderType } from './render-type.ts';

it('docs/protocol.md is what shared/protocol says; if not, run: node scripts/generate-protocol-docs.ts', async () => {
  const written = await readFile(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
  expect(written).toBe(renderProtocol());
});

it('names every method and notification, and leaves no reference without its type', () => {
  const text = renderProtocol();
  for (const name of [...methodNames, ...notificationNames]) expect(text).toContain(`### \`${name}\``);
  expect(text).not.toMatch(/__schema|unknown;/);
});

describe('a type', () => {
  const none = new Map<z.ZodType, string>();

  it.each<[z.ZodType, string]>([
    [z.strictObject({}), '{}'],
    [z.array(z.enum(['a', 'b'])), 'Array<"a" | "b">'],
    [z.record(z.string(), z.boolean()), 'Record<string, boolean>'],
    [z.literal(3).nullable(), '3 | null'],
    [z.strictObject({ id: z.uuid() }), '{\n  id: string; // UUID\n}'],
    [
      z.strictObject({ n: z.int().positive().max(9) }),
      '{\n  n: number; // integer, at least 1, at most 9\n}',
    ],
    [z.strictObject({ a: z.string().max(5).optional() }), '{\n  a?: string; // at most 5 characters\n}'],
  ])('is written in TypeScript’s notation', (schema, text) => {
    expect(renderType(schema, 'input', none)).toBe(text);
  });

  it('with a default may be left out by the sender, never by the receiver', () => {
    const schema = z.strictObject({ on: z.boolean().default(true) });
    expect(renderType(schema, 'input', none)).toBe('{\n  on?: boolean; // default true\n}');
    expect(renderType(schema, 'output', none)).toContain('on: boolean');
  });
});
