import { ProviderError } from '@sallyport/shared/protocol/errors.ts';
import type {
  Credential,
  PasswordItems,
  ProviderIdentity,
  ProviderKeychain,
} from '@sallyport/shared/provider/keychain.ts';
import { decodeIdentity } from './identity-record.ts';
import type { SecretStore } from './secret-store.ts';

export interface RunKeychainOptions {
  /** The provider's own items. */
  readonly items: PasswordItems;
  /** Reaches only what the run's configuration lists. */
  readonly secrets: Pick<SecretStore, 'read'>;
  /** Whether the instance is gone; nothing is given out after that. */
  readonly isReleased: () => boolean;
  /** Runs store work outside the provider's scope: what it opens is not the provider's. */
  readonly outside: <T>(work: () => Promise<T>) => Promise<T>;
}

/** The keychain as one provider instance sees it. */
export class RunKeychain implements ProviderKeychain {
  readonly #options: RunKeychainOptions;

  constructor(options: RunKeychainOptions) {
    this.#options = options;
  }

  getPassword(service: string, account: string): Promise<string | null> {
    return this.#ask(({ items }) => items.getPassword(service, account));
  }

  setPassword(service: string, account: string, password: string): Promise<void> {
    return this.#ask(({ items }) => items.setPassword(service, account, password));
  }

  deletePassword(service: string, account: string): Promise<boolean> {
    return this.#ask(({ items }) => items.deletePassword(service, account));
  }

  findCredentials(service: string): Promise<Credential[]> {
    return this.#ask(({ items }) => items.findCredentials(service));
  }

  secret(reference: string): Promise<Uint8Array> {
    return this.#ask(({ secrets }) => secrets.read(reference));
  }

  identity(reference: string): Promise<ProviderIdentity> {
    return this.#ask(async ({ secrets }) => {
      const record = await secrets.read(reference);
      try {
        return decodeIdentity(record);
      } finally {
        record.fill(0);
      }
    });
  }

  async #ask<T>(work: (options: RunKeychainOptions) => Promise<T>): Promise<T> {
    if (this.#options.isReleased()) {
      throw new ProviderError('stopped', 'This instance of the provider has ended; its keychain is closed.');
    }
    return await this.#options.outside(() => work(this.#options));
  }
}
