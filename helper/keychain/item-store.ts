import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { KeychainError, serializeError } from '@sallyport/shared/protocol/errors.ts';
import { bundleIdentifierSchema, secretReferenceSchema } from '@sallyport/shared/protocol/configuration.ts';
import {
  maximumCredentials,
  type Credential,
  type PasswordItems,
} from '@sallyport/shared/provider/keychain.ts';
import { atomicWrite, durableRemove, removeTemporaries } from '../files/atomic-write.ts';
import { realFiles, type FileSteps } from '../files/file-steps.ts';
import { ensurePrivateDirectory } from '../files/private-directory.ts';
import { readPrivateFile } from '../files/private-file.ts';
import type { CategoryLog } from '../log/logger.ts';
import { checkName, checkPassword, decodeItem, decodeItemNames, encodeItem } from './item-record.ts';
import { largestSealedBytes, unseal, type VaultSource } from './sealed.ts';

/** What providers keep for themselves, each its own. */
export interface ItemStore {
  /** @param identifier the provider's bundle identifier */
  of(identifier: string): PasswordItems;
}

/** Items in files, one each, sealed with their names under names that say nothing. */
export class SealedItemStore implements ItemStore {
  readonly #directory: string;
  readonly #key: VaultSource;
  readonly #log: CategoryLog;
  readonly #files: FileSteps;
  readonly #providers = new Map<string, ProviderItems>();

  /** @param directory the keychain's, which exists and is private */
  constructor(directory: string, key: VaultSource, log: CategoryLog, files: FileSteps = realFiles) {
    this.#directory = join(directory, 'providers');
    this.#key = key;
    this.#log = log;
    this.#files = files;
  }

  of(identifier: string): PasswordItems {
    const known = this.#providers.get(identifier);
    if (known !== undefined) return known;
    const directory = join(this.#directory, bundleIdentifierSchema.parse(identifier));
    const items = new ProviderItems(directory, identifier, this.#key, this.#log, this.#files);
    this.#providers.set(identifier, items);
    return items;
  }
}

/** One provider's items. Only their names are held in memory; changes and reads are made one after the other. */
class ProviderItems implements PasswordItems {
  readonly #directory: string;
  readonly #identifier: string;
  readonly #key: VaultSource;
  readonly #log: CategoryLog;
  readonly #files: FileSteps;
  /** File names by account by service; null until they were read. */
  #index: Map<string, Map<string, string>> | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(directory: string, identifier: string, key: VaultSource, log: CategoryLog, files: FileSteps) {
    this.#directory = directory;
    this.#identifier = identifier;
    this.#key = key;
    this.#log = log;
    this.#files = files;
  }

  async getPassword(service: string, account: string): Promise<string | null> {
    checkName(service, 'service');
    checkName(account, 'account');
    return await this.#inTurn(async (index) => {
      const file = index.get(service)?.get(account);
      return file === undefined ? null : await this.#password(file);
    });
  }

  async setPassword(service: string, account: string, password: string): Promise<void> {
    checkName(service, 'service');
    checkName(account, 'account');
    checkPassword(password);
    await this.#inTurn(async (index) => {
      const present = index.get(service)?.get(account);
      if (present === undefined && count(index) >= maximumCredentials) {
        throw new KeychainError(
          'tooLarge',
          `The provider ${this.#identifier} already keeps ${String(maximumCredentials)} items. Delete one first.`,
        );
      }
      const file = present ?? randomUUID();
      const record = encodeItem({ service, account, password });
      try {
        const sealed = this.#key.vault().seal(this.#nameOf(file), record);
        await atomicWrite(join(this.#directory, file), sealed, 0o600, this.#files);
      } finally {
        record.fill(0);
      }
      remember(index, service, account, file);
    });
  }

  async deletePassword(service: string, account: string): Promise<boolean> {
    checkName(service, 'service');
    checkName(account, 'account');
    return await this.#inTurn(async (index) => {
      const accounts = index.get(service);
      const file = accounts?.get(account);
      if (accounts === undefined || file === undefined) return false;
      await durableRemove(join(this.#directory, file), this.#files);
      accounts.delete(account);
      return true;
    });
  }

  async findCredentials(service: string): Promise<Credential[]> {
    checkName(service, 'service');
    return await this.#inTurn(async (index) => {
      const found: Credential[] = [];
      for (const [account, file] of index.get(service) ?? [])
        found.push({ account, password: await this.#password(file) });
      return found.sort((one, other) => (one.account < other.account ? -1 : 1));
    });
  }

  #inTurn<T>(work: (index: Map<string, Map<string, string>>) => Promise<T>): Promise<T> {
    const result = this.#turn.then(async () => {
      this.#key.vault();
      return await work((this.#index ??= await this.#read()));
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #read(): Promise<Map<string, Map<string, string>>> {
    const index = new Map<string, Map<string, string>>();
    await ensurePrivateDirectory(this.#directory, this.#files);
    await removeTemporaries(this.#directory, this.#files);
    for (const file of await readdir(this.#directory)) {
      if (!secretReferenceSchema.safeParse(file).success) continue;
      try {
        const names = await this.#open(file, decodeItemNames);
        remember(index, names.service, names.account, file);
      } catch (error) {
        // Taken for absent it would be set under a second file, and come back with the next start.
        if (isShortage(error)) throw error;
        this.#log('error', 'An item of a provider cannot be read. It is left as it is and not used.', {
          provider: this.#identifier,
          file,
          error: serializeError(error).message,
        });
      }
    }
    return index;
  }

  async #password(file: string): Promise<string> {
    return (await this.#open(file, decodeItem)).password;
  }

  async #open<T>(file: string, decode: (record: Uint8Array) => T | null): Promise<T> {
    const damaged = (cause?: unknown): KeychainError =>
      new KeychainError(
        'storeUnreadable',
        `The item ${file} of ${this.#identifier} is gone or damaged. Set its password again.`,
        cause === undefined ? {} : { cause },
      );
    const content = await readPrivateFile(join(this.#directory, file), largestSealedBytes).catch(
      (error: unknown) => {
        throw damaged(error);
      },
    );
    if (content === null) throw damaged();
    const record = unseal(this.#key.vault(), this.#nameOf(file), content);
    try {
      const decoded = decode(record);
      if (decoded === null) throw damaged();
      return decoded;
    } finally {
      record.fill(0);
    }
  }

  #nameOf(file: string): string {
    return `item/${this.#identifier}/${file}`;
  }
}

/** Whether a file was not read for want of descriptors or memory: it may be whole. */
function isShortage(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return (
    cause instanceof Error && 'code' in cause && ['EMFILE', 'ENFILE', 'ENOMEM'].includes(String(cause.code))
  );
}

function count(index: ReadonlyMap<string, ReadonlyMap<string, string>>): number {
  let items = 0;
  for (const accounts of index.values()) items += accounts.size;
  return items;
}

function remember(
  index: Map<string, Map<string, string>>,
  service: string,
  account: string,
  file: string,
): void {
  const accounts = index.get(service) ?? new Map<string, string>();
  accounts.set(account, file);
  index.set(service, accounts);
}
