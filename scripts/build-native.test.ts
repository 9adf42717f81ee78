import { readFile, stat } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { buildNative } from './build-native.ts';

test('what is up to date is not built again, however many ask', async () => {
  const addon = await buildNative();
  const before = await stat(addon);
  expect(await Promise.all([buildNative(), buildNative(), buildNative()])).toEqual([addon, addon, addon]);
  const after = await stat(addon);
  expect([after.ino, after.mtimeMs]).toEqual([before.ino, before.mtimeMs]);
});

test('the build brings the declarations along', async () => {
  await buildNative();
  const declarations = await readFile(new URL('../helper/native/binding.d.ts', import.meta.url), 'utf8');
  expect(declarations).toContain('export declare class WireGuardDevice');
});
