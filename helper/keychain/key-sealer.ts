import { access, constants } from 'node:fs/promises';
import type { Vault } from '../native/binding.d.ts';
import { native } from '../native/load.ts';

/**
 * What keeps the master key safe while the machine is off.
 *
 * `keyFile` protects against other users of the running system alone; the others also against whoever gets hold of a
 * backup or (with the TPM) of the disk.
 */
export const keyProtections = ['tpmAndHostKey', 'tpm', 'hostKey', 'keyFile'] as const;
export type KeyProtection = (typeof keyProtections)[number];

export interface SealedKey {
  readonly protection: Exclude<KeyProtection, 'keyFile'>;
  readonly bytes: Uint8Array;
}

/** Something better than a file to keep the master key in. */
export interface KeySealer {
  /** @throws {Error} it does not work on this machine */
  seal(vault: Vault): SealedKey;
  /** @throws {Error} it cannot give back what it sealed */
  unseal(sealed: Uint8Array): Vault;
}

/** Where distributions install it; no search path is followed. */
const places = ['/usr/bin/systemd-creds', '/bin/systemd-creds'];

/** Best first: a TPM may be there and fail, and then the machine's own key is still better than a file. */
const keys = ['auto', 'host'] as const;

/** A TPM may take seconds. */
const patience = 15_000;

/** Bound into what is sealed, so that no other credential passes for it. */
const credentialName = 'sallyport.master-key';

/**
 * Seals with `systemd-creds`: by the machine's TPM and the key in `/var/lib/systemd/credential.secret`, or by whichever
 * of them there is.
 *
 * The key goes through pipes between native memory and the program, never through its arguments.
 */
export class SystemdCredentials implements KeySealer {
  readonly #program: string;

  private constructor(program: string) {
    this.#program = program;
  }

  /**
   * @param from where to look for it
   * @returns null where it is not installed
   */
  static async find(from: readonly string[] = places): Promise<SystemdCredentials | null> {
    for (const place of from) {
      const found = await access(place, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (found) return new SystemdCredentials(place);
    }
    return null;
  }

  seal(vault: Vault): SealedKey {
    const failures: unknown[] = [];
    for (const key of keys) {
      try {
        const bytes = vault.wrap(
          this.#program,
          // No PCR: an update of the firmware or its key lists must not lose everybody's tunnels.
          ['encrypt', `--with-key=${key}`, '--tpm2-pcrs=', `--name=${credentialName}`, '-', '-'],
          patience,
        );
        return { protection: credentialProtection(bytes), bytes };
      } catch (error) {
        failures.push(error);
      }
    }
    throw new AggregateError(failures, failures.map(String).join('; '));
  }

  unseal(sealed: Uint8Array): Vault {
    return native().Vault.unwrap(
      this.#program,
      ['decrypt', `--name=${credentialName}`, '-', '-'],
      sealed,
      patience,
    );
  }
}

/** The first 16 bytes of a credential say which keys open it (`CRED_AES256_GCM_BY_*` of systemd's creds-util.h). */
const credentialKinds: ReadonlyMap<string, SealedKey['protection']> = new Map([
  ['5a1c6a86df9d4096b1d5a65e0862f19a', 'hostKey'],
  ['0c7cc07b117645919c4b0bea08bc20fe', 'tpm'],
  ['faf7eb9341e3412ca1a436f95a29362f', 'tpm'],
  ['93a894094874449090caf2fc93cab553', 'tpmAndHostKey'],
  ['af4950a849134eb1a73846304ff30c05', 'tpmAndHostKey'],
]);

/**
 * Which keys open a credential of systemd.
 *
 * @param credential its base64 text
 * @throws {Error} none that protects: systemd can also "encrypt" with no key at all
 */
export function credentialProtection(credential: Uint8Array): SealedKey['protection'] {
  const text = Buffer.from(credential.buffer, credential.byteOffset, credential.byteLength).toString(
    'latin1',
  );
  const kind = Buffer.from(text, 'base64').subarray(0, 16).toString('hex');
  const protection = credentialKinds.get(kind);
  if (protection === undefined) throw new Error(`systemd-creds sealed in a way that is not known: ${kind}`);
  return protection;
}
