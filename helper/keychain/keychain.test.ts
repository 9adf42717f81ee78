import { randomUUID } from 'node:crypto';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MemorySealer } from '../testing/memory-sealer.ts';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';
import { Keychain } from './keychain.ts';
import { credentialProtection, type KeySealer } from './key-sealer.ts';

const directory = useTemporaryDirectory();
const folder = (): string => join(directory.path, 'secrets');
const keyFile = (): string => join(folder(), 'master-key');
const reference = randomUUID();
const secret = new TextEncoder().encode('correct horse');

interface Opened {
  readonly keychain: Keychain;
  readonly log: string[];
}

async function open(sealer: KeySealer | null = null): Promise<Opened> {
  const log: string[] = [];
  const keychain = await Keychain.open(folder(), {
    sealer,
    log: (level, message) => log.push(`${level} ${message}`),
  });
  return { keychain, log };
}

/** Everything in the store's directory, by name. */
async function contents(): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of await readdir(folder())) found[name] = await readFile(join(folder(), name), 'latin1');
  return found;
}

/** Opens a store whose key cannot be had, and checks that it says so and leaves everything as it is. */
async function expectUnreadable(sealer: KeySealer | null, why: RegExp): Promise<void> {
  const before = await contents();
  const { keychain, log } = await open(sealer);
  expect(keychain.protection).toBeNull();
  expect(log).toEqual([expect.stringMatching(/^error The stored secrets cannot be read/)]);
  const expected: unknown = expect.objectContaining({
    domain: 'KeychainError',
    code: 'storeUnreadable',
    message: expect.stringMatching(why),
  });
  await expect(keychain.secrets.read(reference)).rejects.toEqual(expected);
  await expect(keychain.secrets.path(reference)).rejects.toEqual(expected);
  await expect(keychain.secrets.put(randomUUID(), secret)).rejects.toEqual(expected);
  await expect(keychain.items.of('com.example.a').getPassword('s', 'a')).rejects.toEqual(expected);
  await expect(keychain.items.of('com.example.a').setPassword('s', 'a', 'p')).rejects.toEqual(expected);
  expect(await contents()).toEqual(before);
}

describe('the master key', () => {
  it('[K1] lies in a root-only file where nothing seals it, which the log says', async () => {
    const { keychain, log } = await open();
    expect(keychain.protection).toBe('keyFile');
    expect(log).toEqual(['notice Secrets are sealed with a root-only key file.']);
    const content = await readFile(keyFile());
    const line = 'sallyport-master-key 1 keyFile\n';
    expect(content.subarray(0, line.length).toString()).toBe(line);
    expect(content).toHaveLength(line.length + 32);
  });

  it.each([
    ['tpmAndHostKey', 'the TPM and this computer’s key'],
    ['tpm', 'the TPM'],
    ['hostKey', 'this computer’s key'],
  ] as const)('[K1] is sealed where that works (%s), and no file has it', async (protection, words) => {
    const sealer = new MemorySealer(protection);
    const first = await open(sealer);
    expect(first.log).toEqual([`notice Secrets are sealed with ${words}.`]);
    await first.keychain.secrets.put(reference, secret);
    const key = first.keychain.vault().exportKey().toString('latin1');
    for (const content of Object.values(await contents())) expect(content.includes(key)).toBe(false);
    const { keychain } = await open(sealer);
    expect(keychain.protection).toBe(protection);
    expect(new Uint8Array(await keychain.secrets.read(reference))).toEqual(secret);
    expect(sealer.sealed).toBe(1);
  });

  it('[K1] goes from its file under seal once that is possible, and the secrets stay', async () => {
    await (await open()).keychain.secrets.put(reference, secret);
    const sealer = new MemorySealer();
    sealer.isBroken = true;
    const broken = await open(sealer);
    expect(broken.keychain.protection).toBe('keyFile');
    expect(broken.log[0]).toMatch(/^info The master key of the secrets could not be sealed/);
    sealer.isBroken = false;
    const { keychain } = await open(sealer);
    expect(keychain.protection).toBe('hostKey');
    expect(new Uint8Array(await keychain.secrets.read(reference))).toEqual(secret);
    expect(await readFile(keyFile(), 'latin1')).toMatch(/^sallyport-master-key 1 hostKey\n/);
  });

  it('[K1] counts as sealed only when the same key comes back', async () => {
    const sealer = new MemorySealer();
    sealer.isLying = true;
    expect((await open(sealer)).keychain.protection).toBe('keyFile');
  });

  it('[K1] that cannot be unsealed leaves the store as it is, and works again when it can', async () => {
    const sealer = new MemorySealer();
    await (await open(sealer)).keychain.secrets.put(reference, secret);
    await expectUnreadable(new MemorySealer(), /The safe does not know this key.*remove .* as root/);
    await expectUnreadable(null, /systemd-creds, which sealed it, is not there/);
    const { keychain } = await open(sealer);
    expect(new Uint8Array(await keychain.secrets.read(reference))).toEqual(secret);
  });

  it('[K1] that is lost or damaged is not replaced while there are secrets of it', async () => {
    await (await open()).keychain.secrets.put(reference, secret);
    const key = await readFile(keyFile());
    for (const content of ['', 'sallyport-master-key 2 keyFile\n', key.subarray(0, 40), 'x'.repeat(70_000)]) {
      await writeFile(keyFile(), content);
      await expectUnreadable(null, /master key cannot be opened|bytes; at most/);
    }
    await rm(keyFile());
    await expectUnreadable(null, /their master key is missing/);
    await writeFile(keyFile(), key, { mode: 0o644 });
    await expectUnreadable(null, /open to other users/);
  });

  it('is missed as well when only a provider keeps something', async () => {
    await (await open()).keychain.items.of('com.example.a').setPassword('s', 'a', 'p');
    await rm(keyFile());
    expect((await open()).keychain.protection).toBeNull();
  });

  it('is made anew where only secrets of an older version lie, which are refused one by one', async () => {
    await mkdir(folder(), { mode: 0o700 });
    await writeFile(join(folder(), reference), secret, { mode: 0o600 });
    const { keychain } = await open();
    expect(keychain.protection).toBe('keyFile');
    await expect(keychain.secrets.read(reference)).rejects.toMatchObject({ code: 'storeUnreadable' });
    await keychain.secrets.remove(reference);
    expect(await keychain.secrets.list()).toEqual([]);
  });

  it('is wiped when the keychain closes', async () => {
    const { keychain } = await open();
    await keychain.secrets.put(reference, secret);
    keychain.close();
    keychain.close();
    const closed = { code: 'storeUnreadable' };
    await expect(keychain.secrets.read(reference)).rejects.toMatchObject(closed);
    await expect(keychain.secrets.put(randomUUID(), secret)).rejects.toMatchObject(closed);
    await expect(keychain.items.of('com.example.a').setPassword('s', 'a', 'p')).rejects.toMatchObject(closed);
  });
});

describe('a credential of systemd', () => {
  const credential = (kind: string): Uint8Array =>
    Buffer.from(Buffer.from(`${kind}00112233`, 'hex').toString('base64'));

  it.each([
    ['5a1c6a86df9d4096b1d5a65e0862f19a', 'hostKey'],
    ['0c7cc07b117645919c4b0bea08bc20fe', 'tpm'],
    ['93a894094874449090caf2fc93cab553', 'tpmAndHostKey'],
  ])('says what opens it: %s', (kind, protection) => {
    expect(credentialProtection(credential(kind))).toBe(protection);
  });

  it('that no key protects does not count', () => {
    expect(() => credentialProtection(credential('058469daf6f54324800549da0f8ea2fb'))).toThrow(/not known/);
    expect(() => credentialProtection(new Uint8Array())).toThrow(/not known/);
  });
});
