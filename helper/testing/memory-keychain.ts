import { KeychainError, ProviderError } from '@sallyport/shared/protocol/errors.ts';
import {
  maximumCredentials,
  type Credential,
  type PasswordItems,
} from '@sallyport/shared/provider/keychain.ts';
import { checkName, checkPassword } from '../keychain/item-record.ts';
import type { ItemStore } from '../keychain/item-store.ts';
import { maximumSecretBytes } from '../keychain/sealed.ts';
import type { SecretStore } from '../keychain/secret-store.ts';

/** The in-memory twin of the secret store; its paths lead nowhere. */
export class MemorySecretStore implements SecretStore {
  readonly stored = new Map<string, Uint8Array>();
  /** Whether `path` names secrets that were never put, for sessions whose keys nobody reads. */
  readonly #isLenient: boolean;

  constructor(isLenient = false) {
    this.#isLenient = isLenient;
  }

  put(reference: string, secret: Uint8Array): Promise<void> {
    if (this.stored.has(reference))
      return Promise.reject(new Error(`The secret reference ${reference} is already in use.`));
    if (secret.byteLength === 0 || secret.byteLength > maximumSecretBytes) {
      return Promise.reject(new RangeError(`A secret has 1 to ${String(maximumSecretBytes)} bytes.`));
    }
    this.stored.set(reference, secret.slice());
    return Promise.resolve();
  }

  read(reference: string): Promise<Uint8Array> {
    const secret = this.stored.get(reference);
    return secret === undefined ? Promise.reject(notFound(reference)) : Promise.resolve(secret.slice());
  }

  remove(reference: string): Promise<void> {
    this.stored.delete(reference);
    return Promise.resolve();
  }

  list(): Promise<string[]> {
    return Promise.resolve([...this.stored.keys()]);
  }

  path(reference: string): Promise<string> {
    const isThere = this.#isLenient || this.stored.has(reference);
    return isThere ? Promise.resolve(`/memory/${reference}`) : Promise.reject(notFound(reference));
  }
}

/** The in-memory twin of what providers keep, with the bounds of the real one. */
export class MemoryItemStore implements ItemStore {
  readonly #providers = new Map<string, MemoryItems>();

  of(identifier: string): MemoryItems {
    const items = this.#providers.get(identifier) ?? new MemoryItems();
    this.#providers.set(identifier, items);
    return items;
  }
}

class MemoryItems implements PasswordItems {
  readonly #services = new Map<string, Map<string, string>>();

  async getPassword(service: string, account: string): Promise<string | null> {
    return await this.#named(service, account, (accounts) => accounts.get(account) ?? null);
  }

  async setPassword(service: string, account: string, password: string): Promise<void> {
    await this.#named(service, account, (accounts) => {
      checkPassword(password);
      let count = 0;
      for (const one of this.#services.values()) count += one.size;
      if (!accounts.has(account) && count >= maximumCredentials) {
        throw new KeychainError('tooLarge', `There are already ${String(maximumCredentials)} items.`);
      }
      this.#services.set(service, accounts.set(account, password));
    });
  }

  async deletePassword(service: string, account: string): Promise<boolean> {
    return await this.#named(service, account, (accounts) => accounts.delete(account));
  }

  async findCredentials(service: string): Promise<Credential[]> {
    return await this.#named(service, 'any', (accounts) =>
      [...accounts]
        .map(([account, password]) => ({ account, password }))
        .sort((one, other) => (one.account < other.account ? -1 : 1)),
    );
  }

  #named<T>(service: string, account: string, work: (accounts: Map<string, string>) => T): Promise<T> {
    return new Promise((resolve) => {
      checkName(service, 'service');
      checkName(account, 'account');
      resolve(work(this.#services.get(service) ?? new Map<string, string>()));
    });
  }
}

function notFound(reference: string): ProviderError {
  return new ProviderError('secretNotFound', `The secret ${reference} is not in the store.`);
}
