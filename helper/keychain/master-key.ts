import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { KeychainError, serializeError } from '@sallyport/shared/protocol/errors.ts';
import { secretReferenceSchema } from '@sallyport/shared/protocol/configuration.ts';
import { atomicWrite } from '../files/atomic-write.ts';
import { realFiles, type FileSteps } from '../files/file-steps.ts';
import { readPrivateFile } from '../files/private-file.ts';
import type { CategoryLog } from '../log/logger.ts';
import type { Vault } from '../native/binding.d.ts';
import { native } from '../native/load.ts';
import { keyProtections, type KeyProtection, type KeySealer } from './key-sealer.ts';
import { isSealed, largestSealedBytes } from './sealed.ts';

/** The key's file: a line that says what protects it, then the key as that gave it. */
const fileName = 'master-key';
const head = 'sallyport-master-key 1';
const maximumFileBytes = 64 * 1024;

export interface MasterKeyOptions {
  /** The store's directory, which exists and is private. */
  readonly directory: string;
  /** Null where there is nothing better than a root-only file. */
  readonly sealer: KeySealer | null;
  readonly log: CategoryLog;
  readonly files?: FileSteps;
}

export interface MasterKey {
  readonly vault: Vault;
  readonly protection: KeyProtection;
}

/**
 * Opens the store's master key, or makes it when the store is new.
 *
 * One file holds the key and what protects it, and is replaced atomically, so that a crash at any instant leaves a key
 * that opens the store. A key in a plain file is sealed as soon as the machine can do that. A key that cannot be had
 * is never replaced: the secrets may come back with the TPM or the disk that they belong to.
 *
 * @throws {KeychainError} `storeUnreadable`
 */
export async function openMasterKey(options: MasterKeyOptions): Promise<MasterKey> {
  const path = join(options.directory, fileName);
  const unreadable = (why: string, cause?: unknown): KeychainError =>
    unreadableStore(options.directory, why, cause);
  let content;
  try {
    content = await readPrivateFile(path, maximumFileBytes);
  } catch (error) {
    throw unreadable(serializeError(error).message, error);
  }
  if (content === null) {
    if (await holdsSecrets(options.directory)) throw unreadable('their master key is missing.');
    try {
      return await storeKey(options, path, native().Vault.generate());
    } catch (error) {
      throw new KeychainError(
        'storeUnreadable',
        `No secrets can be stored: their master key could not be written to ${path}. Check that the disk has room and ` +
          'can be written, then start the helper again.',
        { cause: error },
      );
    }
  }
  let key: MasterKey;
  try {
    key = openKey(content, options.sealer);
  } catch (error) {
    throw unreadable(`their master key cannot be opened: ${serializeError(error).message}`, error);
  } finally {
    content.fill(0);
  }
  if (key.protection !== 'keyFile') return key;
  try {
    return await storeKey(options, path, key.vault, key.protection);
  } catch (error) {
    options.log('warning', 'The master key of the secrets could not be sealed anew; it stays as it was.', {
      error: serializeError(error).message,
    });
    return key;
  }
}

/** @throws {Error} damage, or what sealed it is gone */
function openKey(content: Buffer, sealer: KeySealer | null): MasterKey {
  const { protection, key } = parseKeyFile(content);
  if (protection === 'keyFile') return { vault: native().Vault.open(key), protection };
  if (sealer === null) throw new Error('systemd-creds, which sealed it, is not there.');
  return { vault: sealer.unseal(key), protection };
}

/** Says what to do; nothing in the store is touched meanwhile. */
function unreadableStore(directory: string, why: string, cause?: unknown): KeychainError {
  return new KeychainError(
    'storeUnreadable',
    `The stored secrets cannot be read: ${why} Tunnels stay, but cannot connect. If that does not come back, remove ` +
      `${directory} as root, start the helper again, and import the tunnels again.`,
    cause === undefined ? {} : { cause },
  );
}

/**
 * Writes the key, sealed if that works here.
 *
 * @param present how it is kept already; it is then only replaced by something better
 */
async function storeKey(
  { sealer, log, files = realFiles }: MasterKeyOptions,
  path: string,
  vault: Vault,
  present?: KeyProtection,
): Promise<MasterKey> {
  const sealed = sealer === null ? null : trySealing(sealer, vault, log);
  if (sealed !== null) {
    await atomicWrite(path, keyFile(sealed.protection, sealed.bytes), 0o600, files);
    return { vault, protection: sealed.protection };
  }
  if (present === undefined) {
    const key = vault.exportKey();
    const content = keyFile('keyFile', key);
    try {
      await atomicWrite(path, content, 0o600, files);
    } finally {
      key.fill(0);
      content.fill(0);
    }
  }
  return { vault, protection: 'keyFile' };
}

/** A key counts as sealed only once it was unsealed again and is the same. */
function trySealing(sealer: KeySealer, vault: Vault, log: CategoryLog): ReturnType<KeySealer['seal']> | null {
  try {
    const sealed = sealer.seal(vault);
    const again = sealer.unseal(sealed.bytes);
    try {
      if (!vault.equals(again)) throw new Error('what was unsealed is another key.');
    } finally {
      again.close();
    }
    return sealed;
  } catch (error) {
    log(
      'info',
      'The master key of the secrets could not be sealed by systemd-creds; a root-only file keeps it.',
      {
        error: serializeError(error).message,
      },
    );
    return null;
  }
}

function keyFile(protection: KeyProtection, key: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${head} ${protection}\n`, 'latin1'), key]);
}

function parseKeyFile(content: Buffer): { protection: KeyProtection; key: Buffer } {
  const end = content.subarray(0, 100).indexOf('\n');
  const line = content.subarray(0, Math.max(end, 0)).toString('latin1');
  const protection = keyProtections.find((one) => line === `${head} ${one}`);
  if (protection === undefined) throw new Error('its file is damaged or of another version.');
  return { protection, key: content.subarray(end + 1) };
}

/** Whether anything lies there that only a lost key can open. */
async function holdsSecrets(directory: string): Promise<boolean> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !secretReferenceSchema.safeParse(entry.name).success) continue;
    try {
      const content = await readPrivateFile(join(entry.parentPath, entry.name), largestSealedBytes);
      if (content !== null && isSealed(content)) return true;
    } catch {
      // What cannot be read now may be sealed.
      return true;
    }
  }
  return false;
}
