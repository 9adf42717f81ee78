import { isError, KeychainError } from '@sallyport/shared/protocol/errors.ts';
import { removeTemporaries } from '../files/atomic-write.ts';
import type { FileSteps } from '../files/file-steps.ts';
import { ensurePrivateDirectory } from '../files/private-directory.ts';
import type { CategoryLog } from '../log/logger.ts';
import type { Vault } from '../native/binding.d.ts';
import type { KeyProtection, KeySealer } from './key-sealer.ts';
import { openMasterKey, type MasterKey } from './master-key.ts';
import { SealedItemStore } from './item-store.ts';
import type { VaultSource } from './sealed.ts';
import { SealedSecretStore } from './secret-store.ts';

export interface KeychainOptions {
  readonly log: CategoryLog;
  /** What seals the master key; null keeps it in a root-only file. */
  readonly sealer: KeySealer | null;
  readonly files?: FileSteps;
}

const protectionSentences: Readonly<Record<KeyProtection, string>> = {
  tpmAndHostKey: 'Secrets are sealed with the TPM and this computer’s key.',
  tpm: 'Secrets are sealed with the TPM.',
  hostKey: 'Secrets are sealed with this computer’s key.',
  keyFile: 'Secrets are sealed with a root-only key file.',
};

/**
 * The helper's secrets: what configurations refer to, and what providers keep for themselves, sealed under one key.
 *
 * Without its key it still opens, lists and removes, and everything else fails with `storeUnreadable`: the helper
 * works on, and nothing is overwritten.
 */
export class Keychain implements VaultSource {
  readonly secrets: SealedSecretStore;
  readonly items: SealedItemStore;
  #key: MasterKey | KeychainError;

  private constructor(directory: string, key: MasterKey | KeychainError, options: KeychainOptions) {
    this.#key = key;
    this.secrets = new SealedSecretStore(directory, this, options.files);
    this.items = new SealedItemStore(directory, this, options.log, options.files);
  }

  static async open(directory: string, options: KeychainOptions): Promise<Keychain> {
    const { log } = options;
    await ensurePrivateDirectory(directory, options.files);
    await removeTemporaries(directory, options.files);
    let key: MasterKey | KeychainError;
    try {
      key = await openMasterKey({ ...options, directory });
      log('notice', protectionSentences[key.protection], { protection: key.protection });
      if (!key.vault.isLocked) {
        log('warning', 'The secrets’ master key may be swapped out: the limit on locked memory is too low.');
      }
    } catch (error) {
      if (!(error instanceof KeychainError) || !isError(error, 'KeychainError', 'storeUnreadable'))
        throw error;
      key = error;
      log('error', error.message, { code: error.code });
    }
    return new Keychain(directory, key, options);
  }

  /** What protects the secrets at rest; null when they cannot be read. */
  get protection(): KeyProtection | null {
    return this.#key instanceof KeychainError ? null : this.#key.protection;
  }

  get isReadable(): boolean {
    return this.protection !== null;
  }

  vault(): Vault {
    if (this.#key instanceof KeychainError) throw this.#key;
    return this.#key.vault;
  }

  /** Wipes the master key. Whatever comes later fails as if it could not be had. */
  close(): void {
    if (this.#key instanceof KeychainError) return;
    this.#key.vault.close();
    this.#key = new KeychainError('storeUnreadable', 'The helper is stopping, and its secrets are closed.');
  }
}
