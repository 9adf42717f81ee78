import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { KeychainError, ProviderError } from '@sallyport/shared/protocol/errors.ts';
import { secretReferenceSchema } from '@sallyport/shared/protocol/configuration.ts';
import { atomicWrite, durableRemove } from '../files/atomic-write.ts';
import { realFiles, type FileSteps } from '../files/file-steps.ts';
import { readPrivateFile } from '../files/private-file.ts';
import { largestSealedBytes, maximumSecretBytes, unseal, type VaultSource } from './sealed.ts';

/**
 * Secrets by reference, in root-only storage apart from the configurations (contract K1, K4).
 *
 * Native code reads the keys of tunnels by their file's path, so that they never enter JavaScript; `read` is for what
 * a provider in this process asks for.
 */
export interface SecretStore {
  /** Stores a new secret. @throws {Error} the reference is taken */
  put(reference: string, secret: Uint8Array): Promise<void>;
  /** A copy, which the caller wipes. @throws {ProviderError} `secretNotFound` @throws {KeychainError} `storeUnreadable` */
  read(reference: string): Promise<Uint8Array>;
  remove(reference: string): Promise<void>;
  list(): Promise<string[]>;
  /** Where native code finds it, sealed. @throws {ProviderError} `secretNotFound` @throws {KeychainError} `storeUnreadable` */
  path(reference: string): Promise<string>;
}

/** One file of mode 0600 a secret, sealed for its reference. */
export class SealedSecretStore implements SecretStore {
  readonly #directory: string;
  readonly #key: VaultSource;
  readonly #files: FileSteps;

  /** @param directory exists, is private, and holds nothing that an interrupted write left */
  constructor(directory: string, key: VaultSource, files: FileSteps = realFiles) {
    this.#directory = directory;
    this.#key = key;
    this.#files = files;
  }

  async put(reference: string, secret: Uint8Array): Promise<void> {
    const path = this.#pathOf(reference);
    const vault = this.#key.vault();
    if (await exists(path)) throw new Error(`The secret reference ${reference} is already in use.`);
    if (secret.byteLength === 0 || secret.byteLength > maximumSecretBytes) {
      throw new RangeError(`A secret has 1 to ${String(maximumSecretBytes)} bytes.`);
    }
    await atomicWrite(path, vault.seal(nameOf(reference), secret), 0o600, this.#files);
  }

  async read(reference: string): Promise<Uint8Array> {
    const path = this.#pathOf(reference);
    const vault = this.#key.vault();
    let content;
    try {
      content = await readPrivateFile(path, largestSealedBytes);
    } catch (error) {
      throw new KeychainError(
        'storeUnreadable',
        `The secret ${reference} cannot be read. Import the tunnel again.`,
        { cause: error },
      );
    }
    if (content === null) throw notFound(reference);
    return unseal(vault, nameOf(reference), content);
  }

  async remove(reference: string): Promise<void> {
    await durableRemove(this.#pathOf(reference), this.#files);
  }

  async list(): Promise<string[]> {
    const names = await readdir(this.#directory);
    return names.filter((name) => secretReferenceSchema.safeParse(name).success);
  }

  async path(reference: string): Promise<string> {
    const path = this.#pathOf(reference);
    this.#key.vault();
    if (!(await exists(path))) throw notFound(reference);
    return path;
  }

  #pathOf(reference: string): string {
    return join(this.#directory, secretReferenceSchema.parse(reference));
  }
}

/** What a secret is sealed for; native code derives the same from the file's name. */
function nameOf(reference: string): string {
  return `secret/${reference}`;
}

function notFound(reference: string): ProviderError {
  return new ProviderError(
    'secretNotFound',
    `The secret ${reference} is not in the store. Import the configuration again.`,
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}
