import { randomUUID } from 'node:crypto';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';
import { FileSecretStore, maximumSecretBytes } from './secret-store.ts';

const directory = useTemporaryDirectory();
const folder = (): string => join(directory.path, 'secrets');
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('FileSecretStore', () => {
  it('[K1] keeps each secret in a file that only its owner can read, in a directory only its owner can enter', async () => {
    const store = await FileSecretStore.open(folder());
    const reference = randomUUID();
    await store.put(reference, bytes('secret'));
    const path = await store.path(reference);
    expect(await readFile(path, 'utf8')).toBe('secret');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(folder())).mode & 0o777).toBe(0o700);
  });

  it('lists and removes, over a restart too', async () => {
    const references = [randomUUID(), randomUUID()];
    const store = await FileSecretStore.open(folder());
    for (const reference of references) await store.put(reference, bytes('x'));
    const again = await FileSecretStore.open(folder());
    expect((await again.list()).sort()).toEqual([...references].sort());
    await again.remove(references[0] ?? '');
    expect(await again.list()).toEqual([references[1]]);
    await expect(again.path(references[0] ?? '')).rejects.toMatchObject({
      domain: 'ProviderError',
      code: 'secretNotFound',
    });
  });

  it('[K5] never overwrites a secret', async () => {
    const store = await FileSecretStore.open(folder());
    const reference = randomUUID();
    await store.put(reference, bytes('old'));
    await expect(store.put(reference, bytes('new'))).rejects.toThrow(/already in use/);
    expect(await readFile(await store.path(reference), 'utf8')).toBe('old');
  });

  it.each(['../x', '..', '', '/etc/passwd', 'a/b', 'x\0', 'not-a-uuid'])(
    'refuses the reference %j everywhere',
    async (reference) => {
      const store = await FileSecretStore.open(folder());
      await writeFile(join(directory.path, 'x'), 'kept');
      await expect(store.put(reference, bytes('x'))).rejects.toThrow();
      await expect(store.remove(reference)).rejects.toThrow();
      await expect(store.path(reference)).rejects.toThrow();
      expect(await readFile(join(directory.path, 'x'), 'utf8')).toBe('kept');
      expect(await readdir(folder())).toEqual([]);
    },
  );

  it('refuses secrets that are empty or too large and stores one of the largest size', async () => {
    const store = await FileSecretStore.open(folder());
    await expect(store.put(randomUUID(), new Uint8Array())).rejects.toThrow(RangeError);
    await expect(store.put(randomUUID(), new Uint8Array(maximumSecretBytes + 1))).rejects.toThrow(RangeError);
    await store.put(randomUUID(), new Uint8Array(maximumSecretBytes));
    expect(await store.list()).toHaveLength(1);
  });

  it('[K5] removes at its start what an interrupted write left', async () => {
    await FileSecretStore.open(folder());
    await writeFile(join(folder(), `.${randomUUID()}.tmp`), 'half a sec');
    await FileSecretStore.open(folder());
    expect(await readdir(folder())).toEqual([]);
  });
});
