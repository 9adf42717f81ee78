import { readdir, lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { ProviderError } from '@sallyport/shared/protocol/errors.ts';
import { secretReferenceSchema } from '@sallyport/shared/protocol/configuration.ts';
import { atomicWrite, durableRemove, removeTemporaries } from '../files/atomic-write.ts';
import { ensurePrivateDirectory } from '../files/private-directory.ts';

/** Largest secret, in bytes. */
export const maximumSecretBytes = 64 * 1024;

/**
 * Secrets by reference, in root-only storage apart from the configurations (contract K1, K4).
 *
 * Write-only for JavaScript: it hands out a file's path for native code to read, never the content.
 */
export interface SecretStore {
  /** Stores a new secret. @throws {Error} the reference is taken */
  put(reference: string, secret: Uint8Array): Promise<void>;
  remove(reference: string): Promise<void>;
  list(): Promise<string[]>;
  /** Where native code finds it. @throws {ProviderError} `secretNotFound` */
  path(reference: string): Promise<string>;
}

/** One file of mode 0600 a secret, in a directory of mode 0700. */
export class FileSecretStore implements SecretStore {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(directory: string): Promise<FileSecretStore> {
    await ensurePrivateDirectory(directory);
    await removeTemporaries(directory);
    return new FileSecretStore(directory);
  }

  async put(reference: string, secret: Uint8Array): Promise<void> {
    const path = this.#pathOf(reference);
    if (await exists(path)) throw new Error(`The secret reference ${reference} is already in use.`);
    if (secret.byteLength === 0 || secret.byteLength > maximumSecretBytes) {
      throw new RangeError(`A secret has 1 to ${String(maximumSecretBytes)} bytes.`);
    }
    await atomicWrite(path, secret);
  }

  async remove(reference: string): Promise<void> {
    await durableRemove(this.#pathOf(reference));
  }

  async list(): Promise<string[]> {
    const names = await readdir(this.#directory);
    return names.filter((name) => secretReferenceSchema.safeParse(name).success);
  }

  async path(reference: string): Promise<string> {
    const path = this.#pathOf(reference);
    if (!(await exists(path))) {
      throw new ProviderError(
        'secretNotFound',
        `The secret ${reference} is not in the store. Import the configuration again.`,
      );
    }
    return path;
  }

  #pathOf(reference: string): string {
    return join(this.#directory, secretReferenceSchema.parse(reference));
  }
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
