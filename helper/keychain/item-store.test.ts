import { createHash, randomUUID } from 'node:crypto';
import { copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { maximumCredentialPassword, type PasswordItems } from '@sallyport/shared/provider/keychain.ts';
import { MemoryItemStore } from '../testing/memory-keychain.ts';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';
import { decodeItem, encodeItem } from './item-record.ts';
import { Keychain } from './keychain.ts';

const directory = useTemporaryDirectory();
const provider = 'com.example.tunnel';
const log: string[] = [];

async function openKeychain(): Promise<Keychain> {
  log.length = 0;
  return await Keychain.open(join(directory.path, 'secrets'), {
    sealer: null,
    log: (level, message) => log.push(`${level} ${message}`),
  });
}

const makers: readonly (readonly [string, () => Promise<PasswordItems>])[] = [
  ['the sealed store', async () => (await openKeychain()).items.of(provider)],
  ['its in-memory twin', () => Promise.resolve(new MemoryItemStore().of(provider))],
];

const folder = (): string => join(directory.path, 'secrets', 'providers', provider);

describe.each(makers)('%s', (_name, make) => {
  it('adds, replaces, finds and deletes', async () => {
    const items = await make();
    expect(await items.getPassword('service', 'account')).toBeNull();
    await items.setPassword('service', 'b', 'one');
    await items.setPassword('service', 'a', 'two');
    await items.setPassword('other', 'a', 'three');
    await items.setPassword('service', 'b', 'four');
    expect(await items.getPassword('service', 'b')).toBe('four');
    expect(await items.findCredentials('service')).toEqual([
      { account: 'a', password: 'two' },
      { account: 'b', password: 'four' },
    ]);
    expect(await items.findCredentials('none')).toEqual([]);
    expect(await items.deletePassword('service', 'a')).toBe(true);
    expect(await items.deletePassword('service', 'a')).toBe(false);
    expect(await items.deletePassword('none', 'a')).toBe(false);
    expect(await items.findCredentials('service')).toEqual([{ account: 'b', password: 'four' }]);
  });

  it.each(['__proto__', 'constructor', '../../etc/passwd', 'a\0b', '\ufeffbom', '名前', 'x'.repeat(255)])(
    'takes %j for a name like any other',
    async (name) => {
      const items = await make();
      await items.setPassword(name, name, name);
      expect(await items.getPassword(name, name)).toBe(name);
      expect(await items.getPassword(name, 'other')).toBeNull();
      expect(await items.findCredentials(name)).toEqual([{ account: name, password: name }]);
    },
  );

  it('refuses names and passwords that are empty, not well-formed or too long', async () => {
    const items = await make();
    for (const bad of ['', '\ud800']) {
      await expect(items.setPassword(bad, 'a', 'p')).rejects.toThrow(TypeError);
      await expect(items.setPassword('s', bad, 'p')).rejects.toThrow(TypeError);
      await expect(items.setPassword('s', 'a', bad)).rejects.toThrow(TypeError);
      await expect(items.getPassword(bad, 'a')).rejects.toThrow(TypeError);
      await expect(items.findCredentials(bad)).rejects.toThrow(TypeError);
      await expect(items.deletePassword('s', bad)).rejects.toThrow(TypeError);
    }
    const tooLarge = { domain: 'KeychainError', code: 'tooLarge' };
    await expect(items.setPassword('x'.repeat(256), 'a', 'p')).rejects.toMatchObject(tooLarge);
    await expect(items.getPassword('s', 'x'.repeat(256))).rejects.toMatchObject(tooLarge);
    await expect(items.setPassword('s', 'a', 'ä'.repeat(32 * 1024 + 1))).rejects.toMatchObject(tooLarge);
    const longest = '\0'.repeat(maximumCredentialPassword);
    await items.setPassword('語'.repeat(255), '語'.repeat(255), longest);
    expect((await items.getPassword('語'.repeat(255), '語'.repeat(255))) === longest).toBe(true);
  });

  it('keeps at most 500 items, and replaces one of them still', { timeout: 60_000 }, async () => {
    const items = await make();
    for (let number = 0; number < 500; number += 1)
      await items.setPassword(`s${String(number % 7)}`, String(number), 'p');
    await expect(items.setPassword('s', 'one more', 'p')).rejects.toMatchObject({ code: 'tooLarge' });
    await items.setPassword('s0', '0', 'replaced');
    expect(await items.getPassword('s0', '0')).toBe('replaced');
    await items.deletePassword('s1', '1');
    await items.setPassword('s', 'one more', 'p');
  });
});

describe('a provider’s items', () => {
  it('[K1] lie encrypted with their names, and survive a restart', async () => {
    const { items } = await openKeychain();
    await items.of(provider).setPassword('the service', 'the account', 'the password');
    const files = await readdir(folder());
    expect(files).toHaveLength(1);
    const content = await readFile(join(folder(), files[0] ?? ''), 'latin1');
    for (const word of ['service', 'account', 'password']) {
      expect(content.includes(word)).toBe(false);
      const digest = createHash('sha256').update(`the ${word}`).digest('hex');
      expect(files.join().includes(digest.slice(0, 8))).toBe(false);
    }
    const again = await openKeychain();
    expect(await again.items.of(provider).getPassword('the service', 'the account')).toBe('the password');
  });

  it('[K1] are its own: another provider sees none of them, not even when it has the file', async () => {
    const { items } = await openKeychain();
    await items.of(provider).setPassword('service', 'account', 'mine');
    expect(await items.of('com.example.other').getPassword('service', 'account')).toBeNull();
    const [file = ''] = await readdir(folder());
    const theirs = join(directory.path, 'secrets', 'providers', 'com.example.other', file);
    await rename(join(folder(), file), theirs);
    const again = await openKeychain();
    expect(await again.items.of('com.example.other').findCredentials('service')).toEqual([]);
    expect(log.join('\n')).toContain('An item of a provider cannot be read');
  });

  it('[K1] do not come back from a copy of their file', async () => {
    const own = (await openKeychain()).items.of(provider);
    await own.setPassword('service', 'account', 'old');
    const [file = ''] = await readdir(folder());
    await copyFile(join(folder(), file), join(folder(), randomUUID()));
    await own.setPassword('service', 'account', 'new');
    const again = await openKeychain();
    expect(await again.items.of(provider).getPassword('service', 'account')).toBe('new');
    expect(log.join('\n')).toContain('An item of a provider cannot be read');
  });

  it('[K2] are wiped from the bytes that they were in', async () => {
    const keychain = await openKeychain();
    const sealed = vi.spyOn(keychain.vault(), 'seal');
    const unsealed = vi.spyOn(keychain.vault(), 'unseal');
    const own = keychain.items.of(provider);
    await own.setPassword('service', 'account', 'password');
    expect(await own.getPassword('service', 'account')).toBe('password');
    const again = await openKeychain();
    const listed = vi.spyOn(again.vault(), 'unseal');
    expect(await again.items.of(provider).findCredentials('service')).toHaveLength(1);
    const held = [
      ...sealed.mock.calls.map(([, record]) => record),
      ...[...unsealed.mock.results, ...listed.mock.results].flatMap((result) =>
        result.type === 'return' ? [result.value] : [],
      ),
    ];
    expect(held).toHaveLength(4);
    for (const record of held) expect(record.every((byte) => byte === 0)).toBe(true);
  });

  it('leave nothing of a write that a crash interrupted', async () => {
    await (await openKeychain()).items.of(provider).setPassword('service', 'account', 'p');
    await writeFile(join(folder(), '.half.tmp'), 'half', { mode: 0o600 });
    await (await openKeychain()).items.of(provider).getPassword('service', 'account');
    expect(await readdir(folder())).toHaveLength(1);
  });

  it('that are damaged are left as they are and do not hide the others', async () => {
    const { items } = await openKeychain();
    await items.of(provider).setPassword('service', 'kept', 'kept');
    const damaged = randomUUID();
    await writeFile(join(folder(), damaged), 'not sealed', { mode: 0o600 });
    await mkdir(join(folder(), randomUUID()));
    const again = await openKeychain();
    expect(await again.items.of(provider).findCredentials('service')).toEqual([
      { account: 'kept', password: 'kept' },
    ]);
    expect(await readFile(join(folder(), damaged), 'utf8')).toBe('not sealed');
  });

  it('that vanish while it runs are said to be gone', async () => {
    const { items } = await openKeychain();
    await items.of(provider).setPassword('service', 'account', 'p');
    await rm(folder(), { recursive: true });
    await expect(items.of(provider).getPassword('service', 'account')).rejects.toMatchObject({
      domain: 'KeychainError',
      code: 'storeUnreadable',
    });
  });

  it('are changed one after the other', async () => {
    const { items } = await openKeychain();
    const own = items.of(provider);
    const numbers = Array.from({ length: 20 }, (_, number) => String(number));
    await Promise.all(numbers.map((number) => own.setPassword('service', 'account', number)));
    expect(await own.getPassword('service', 'account')).toBe('19');
    expect(await readdir(folder())).toHaveLength(1);
  });

  it('belong to a bundle identifier, never to a path', async () => {
    const { items } = await openKeychain();
    for (const bad of ['..', '../x', '', 'one', 'a/b.c', 'a.b\0']) expect(() => items.of(bad)).toThrow();
  });
});

describe('the record of an item', () => {
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 });

  it('gives back what was written', () => {
    fc.assert(
      fc.property(text, text, text, (service, account, password) => {
        expect(decodeItem(encodeItem({ service, account, password }))).toEqual({
          service,
          account,
          password,
        });
      }),
    );
  });

  it('is read from any bytes without an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const item = decodeItem(Uint8Array.of(1, ...bytes));
        expect(item === null || typeof item.password === 'string').toBe(true);
      }),
    );
  });
});
