import { describe, expect, test } from 'vitest';
import { native } from './load.ts';

const codeOf = (call: () => unknown): unknown => {
  try {
    call();
    return null;
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
};

describe('the vault', () => {
  test('takes a key and wipes where it lay, also when it cannot use it', () => {
    const key = Buffer.alloc(32, 7);
    const vault = native().Vault.open(key);
    expect(key).toEqual(Buffer.alloc(32));
    expect(vault.exportKey()).toEqual(Buffer.alloc(32, 7));
    expect(vault.isLocked).toBe(true);
    for (const length of [0, 31, 33]) {
      const wrong = Buffer.alloc(length, 7);
      expect(codeOf(() => native().Vault.open(wrong))).toBe('INVALID_ARGUMENT');
      expect(wrong).toEqual(Buffer.alloc(length));
    }
  });

  test('[K1] opens what it sealed for a name, for no other name and with no other key', () => {
    const vault = native().Vault.generate();
    const secret = Uint8Array.from({ length: 100 }, (_, index) => index);
    const sealed = vault.seal('secret/a', secret);
    expect(new Uint8Array(vault.unseal('secret/a', sealed))).toEqual(secret);
    expect(sealed.includes(Buffer.from(secret.subarray(0, 16)))).toBe(false);
    expect(codeOf(() => vault.unseal('secret/b', sealed))).toBe('SECRET_UNREADABLE');
    expect(codeOf(() => native().Vault.generate().unseal('secret/a', sealed))).toBe('SECRET_UNREADABLE');
    expect(codeOf(() => vault.unseal('secret/a', secret))).toBe('SECRET_UNREADABLE');
    expect(codeOf(() => vault.seal('secret/a', new Uint8Array(1024 * 1024 + 1)))).toBe('INVALID_ARGUMENT');
  });

  test('gives its key to a program through a pipe and takes it back, and says what failed', () => {
    const { Vault } = native();
    const vault = Vault.generate();
    const wrapped = vault.wrap('/bin/cat', [], 5000);
    expect(vault.equals(Vault.unwrap('/bin/cat', [], wrapped, 5000))).toBe(true);
    expect(codeOf(() => vault.wrap('/none', [], 5000))).toBe('SEAL_FAILED');
    expect(codeOf(() => vault.wrap('/bin/false', [], 5000))).toBe('SEAL_FAILED');
    expect(codeOf(() => vault.wrap('/bin/sleep', ['60'], 50))).toBe('SEAL_FAILED');
    expect(codeOf(() => Vault.unwrap('/bin/echo', ['not a key'], wrapped, 5000))).toBe('SEAL_FAILED');
  });

  test('holds no key after it was closed', () => {
    const vault = native().Vault.generate();
    const sealed = vault.seal('a', Uint8Array.of(1));
    vault.close();
    vault.close();
    expect(codeOf(() => vault.unseal('a', sealed))).toBe('STOPPED');
    expect(codeOf(() => vault.seal('a', Uint8Array.of(1)))).toBe('STOPPED');
    expect(codeOf(() => vault.exportKey())).toBe('STOPPED');
  });
});
