import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { native as load, pinnedSlots } from './load.ts';

/** The `code` of what `action` throws. */
function codeOf(action: () => unknown): string | null {
  try {
    action();
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
  return null;
}

const native = load();

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sallyport-native-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('the addon', () => {
  test('exports what its declarations name', async () => {
    const declarations = await readFile(new URL('binding.d.ts', import.meta.url), 'utf8');
    const named = [...declarations.matchAll(/^export declare (?:class|function|const) (\w+)/gm)].map(
      ([, name]) => name,
    );
    expect(named.length).toBeGreaterThan(10);
    expect(Object.keys(native).sort()).toEqual(named.sort());
  });
});

describe('key files', () => {
  test('are made, private and clamped, and never overwritten', async () => {
    const path = join(directory, 'key');
    native.generatePrivateKey(path);
    expect((await stat(path)).mode & 0o7777).toBe(0o600);
    const key = await readFile(path);
    expect(key.length).toBe(32);
    expect((key[0] ?? 0) & 7).toBe(0);
    expect((key[31] ?? 0) & 0xc0).toBe(0x40);
    expect(Buffer.from(native.publicKeyOf(path), 'base64').length).toBe(32);
    expect(
      codeOf(() => {
        native.generatePrivateKey(path);
      }),
    ).toBe('KEY_UNAVAILABLE');
    expect(await readFile(path)).toEqual(key);
  });

  test('give the public key that RFC 7748 computes', async () => {
    const path = join(directory, 'key');
    const bob = '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb';
    await writeFile(path, Buffer.from(bob, 'hex'), { mode: 0o600 });
    const expected = 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f';
    expect(Buffer.from(native.publicKeyOf(path), 'base64').toString('hex')).toBe(expected);
  });

  test('are refused when others may touch them, when they are links, or of another length', async () => {
    const path = join(directory, 'key');
    native.generatePrivateKey(path);
    await symlink(path, join(directory, 'link'));
    expect(codeOf(() => native.publicKeyOf(join(directory, 'link')))).toBe('KEY_REFUSED');
    expect(codeOf(() => native.publicKeyOf(directory))).toBe('KEY_REFUSED');
    expect(codeOf(() => native.publicKeyOf(join(directory, 'none')))).toBe('KEY_UNAVAILABLE');
    await chmod(path, 0o640);
    expect(codeOf(() => native.publicKeyOf(path))).toBe('KEY_REFUSED');
    await writeFile(join(directory, 'long'), Buffer.alloc(33), { mode: 0o600 });
    expect(codeOf(() => native.publicKeyOf(join(directory, 'long')))).toBe('KEY_REFUSED');
  });
});

describe('Tun', () => {
  test('refuses names that are none', () => {
    for (const name of ['', '.', '..', '../x', 'a b', 'a%d', 'a\0b', 'sixteen-letters-', 'ü']) {
      expect(
        codeOf(() => native.Tun.open(name)),
        JSON.stringify(name),
      ).toBe('INVALID_ARGUMENT');
    }
  });
});

test('slots have memory of their own that cannot be moved', () => {
  const [slot] = pinnedSlots(1, native.SLOT_BYTES_MIN);
  if (slot === undefined) throw new Error('no slot');
  expect(slot.length).toBe(native.SLOT_BYTES_MIN);
  const { buffer } = slot;
  if (!(buffer instanceof ArrayBuffer)) throw new Error('shared memory');
  expect(() => structuredClone(buffer, { transfer: [buffer] })).toThrow();
});
