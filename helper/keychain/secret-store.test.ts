import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readFile, readdir, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';
import { Keychain } from './keychain.ts';
import { maximumSecretBytes } from './sealed.ts';
import type { SealedSecretStore } from './secret-store.ts';

const directory = useTemporaryDirectory();
const folder = (): string => join(directory.path, 'secrets');
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (read: Uint8Array): string => new TextDecoder().decode(read);

async function open(): Promise<SealedSecretStore> {
  return (await Keychain.open(folder(), { log: () => undefined, sealer: null })).secrets;
}

const unreadable = { domain: 'KeychainError', code: 'storeUnreadable' };
const missing = { domain: 'ProviderError', code: 'secretNotFound' };

describe('a secret', () => {
  it('[K1] lies encrypted in a file that only its owner can read, in a directory only its owner can enter', async () => {
    const store = await open();
    const reference = randomUUID();
    const secret = 'correct horse battery staple';
    await store.put(reference, bytes(secret));
    const path = await store.path(reference);
    expect((await readFile(path, 'latin1')).includes(secret.slice(0, 8))).toBe(false);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder(), 'master-key'))).mode & 0o777).toBe(0o600);
    expect((await stat(folder())).mode & 0o777).toBe(0o700);
    expect(text(await (await open()).read(reference))).toBe(secret);
  });

  it('[K1] is bound to its reference: a file in another’s place is refused', async () => {
    const store = await open();
    const [one, other] = [randomUUID(), randomUUID()];
    await store.put(one, bytes('one'));
    await store.put(other, bytes('other'));
    await rename(join(folder(), one), join(folder(), other));
    await expect(store.read(other)).rejects.toMatchObject(unreadable);
  });

  it('[K1] that is damaged, cut, too long, or was never encrypted is refused and left as it is', async () => {
    const store = await open();
    const reference = randomUUID();
    await store.put(reference, bytes('secret'));
    const path = join(folder(), reference);
    const sealed = await readFile(path);
    const changed = Buffer.from(sealed);
    changed.writeUInt8(changed.readUInt8(40) ^ 1, 40);
    for (const content of [
      changed,
      sealed.subarray(0, 20),
      Buffer.alloc(0),
      Buffer.alloc(100_000),
      bytes('raw'),
    ]) {
      await writeFile(path, content);
      await expect(store.read(reference)).rejects.toMatchObject(unreadable);
      expect(Buffer.compare(await readFile(path), Buffer.from(content))).toBe(0);
    }
    await expect(store.read(reference)).rejects.toThrow(
      /older version, not encrypted.*Import the tunnel again/,
    );
  });

  it('is not read through a link, from a directory, or when others may write it', async () => {
    const store = await open();
    const [target, link, folderName] = [randomUUID(), randomUUID(), randomUUID()];
    await store.put(target, bytes('secret'));
    await symlink(target, join(folder(), link));
    await mkdir(join(folder(), folderName));
    await expect(store.read(link)).rejects.toMatchObject(unreadable);
    await expect(store.read(folderName)).rejects.toMatchObject(unreadable);
    await chmod(join(folder(), target), 0o620);
    await expect(store.read(target)).rejects.toMatchObject(unreadable);
  });

  it('is listed and removed, over a restart too', async () => {
    const references = [randomUUID(), randomUUID()];
    const store = await open();
    for (const reference of references) await store.put(reference, bytes('x'));
    const again = await open();
    expect((await again.list()).sort()).toEqual([...references].sort());
    await again.remove(references[0] ?? '');
    expect(await again.list()).toEqual([references[1]]);
    await expect(again.path(references[0] ?? '')).rejects.toMatchObject(missing);
    await expect(again.read(references[0] ?? '')).rejects.toMatchObject(missing);
  });

  it('[K5] is never overwritten', async () => {
    const store = await open();
    const reference = randomUUID();
    await store.put(reference, bytes('old'));
    await expect(store.put(reference, bytes('new'))).rejects.toThrow(/already in use/);
    expect(text(await store.read(reference))).toBe('old');
  });

  it.each(['../x', '..', '', '/etc/passwd', 'a/b', 'x\0', 'not-a-uuid', 'master-key'])(
    'is never looked for under the reference %j',
    async (reference) => {
      const store = await open();
      await writeFile(join(directory.path, 'x'), 'kept');
      await expect(store.put(reference, bytes('x'))).rejects.toThrow();
      await expect(store.remove(reference)).rejects.toThrow();
      await expect(store.path(reference)).rejects.toThrow();
      await expect(store.read(reference)).rejects.toThrow();
      expect(await readFile(join(directory.path, 'x'), 'utf8')).toBe('kept');
      expect(await readdir(folder())).toEqual(['master-key']);
    },
  );

  it('has 1 to 64 KiB', async () => {
    const store = await open();
    await expect(store.put(randomUUID(), new Uint8Array())).rejects.toThrow(RangeError);
    await expect(store.put(randomUUID(), new Uint8Array(maximumSecretBytes + 1))).rejects.toThrow(RangeError);
    const reference = randomUUID();
    await store.put(reference, new Uint8Array(maximumSecretBytes));
    expect(await store.read(reference)).toHaveLength(maximumSecretBytes);
  });

  it('[K5] leaves nothing of a write that was interrupted', async () => {
    await open();
    await writeFile(join(folder(), `.${randomUUID()}.tmp`), 'half a sec');
    await open();
    expect(await readdir(folder())).toEqual(['master-key']);
  });
});
