import { KeychainError } from '@sallyport/shared/protocol/errors.ts';
import type { Vault } from '../native/binding.d.ts';

/** Largest secret, in bytes. */
export const maximumSecretBytes = 64 * 1024;

/** Largest file of a secret or of a provider's item: with its names, nonce, tag and head. */
export const largestSealedBytes = maximumSecretBytes + 4096;

/** What the vault's files begin with (`HEAD` in helper/native/src/keychain/vault.rs). */
const magic = Buffer.from('SPSEAL', 'latin1');

/** Where a store gets its vault. */
export interface VaultSource {
  /** @throws {KeychainError} `storeUnreadable` */
  vault(): Vault;
}

export function isSealed(content: Uint8Array): boolean {
  return magic.every((byte, index) => content[index] === byte);
}

/**
 * Decrypts a file's content.
 *
 * @param name what it was sealed for
 * @throws {KeychainError} `storeUnreadable` when it was not sealed, or not with this key for this name
 */
export function unseal(vault: Vault, name: string, content: Uint8Array): Buffer {
  if (!isSealed(content)) {
    throw new KeychainError(
      'storeUnreadable',
      `The secret ${name} was stored by an older version, not encrypted, and is not used. Import the tunnel again.`,
    );
  }
  try {
    return vault.unseal(name, content);
  } catch (error) {
    throw new KeychainError(
      'storeUnreadable',
      `The secret ${name} is damaged or belongs to another computer. Import the tunnel again.`,
      { cause: error },
    );
  }
}
