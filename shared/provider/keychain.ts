/** What `findCredentials` lists. */
export interface Credential {
  readonly account: string;
  readonly password: string;
}

/** A certificate with its private key, as it was imported from a PKCS#12 file. */
export interface ProviderIdentity {
  /** PKCS#8 (RFC 5208), DER, not encrypted. Fill it with zeros after use. */
  readonly privateKey: Uint8Array;
  /** X.509, DER, the identity's own first, then its issuers. */
  readonly certificates: readonly Uint8Array[];
}

/** Longest service and account name, in UTF-16 units. */
export const maximumCredentialName = 255;

/** Largest password, in bytes of UTF-8. */
export const maximumCredentialPassword = 64 * 1024;

/** Most items that one provider keeps. */
export const maximumCredentials = 500;

/**
 * Items that a provider keeps for itself, with keytar's verbs: sealed at rest with their names, seen by providers of
 * the same bundle identifier alone, and never by a client.
 *
 * Names and passwords are well-formed strings of at least one character. All functions throw a `TypeError` for others,
 * and `KeychainError` `storeUnreadable` when the store's key is lost. JavaScript cannot wipe a string: keep what is
 * got here no longer than needed.
 */
export interface PasswordItems {
  /** @returns null when there is no such item */
  getPassword(service: string, account: string): Promise<string | null>;
  /**
   * Adds or replaces an item; whenever the machine stops, the old password is there or the new one.
   *
   * @throws {KeychainError} `tooLarge`: a name over 255 units, a password over 64 KiB, more than 500 items
   */
  setPassword(service: string, account: string, password: string): Promise<void>;
  /** @returns whether there was such an item */
  deletePassword(service: string, account: string): Promise<boolean>;
  /** Every item of a service, ordered by account. */
  findCredentials(service: string): Promise<Credential[]>;
}

/** What a provider may ask the secret store for, in process; only for the life of its instance. */
export interface ProviderKeychain extends PasswordItems {
  /**
   * A secret that the configuration of this run lists in `secretReferences`, its `passwordReference` for example.
   *
   * @returns a copy: fill it with zeros after use
   * @throws {ProviderError} `secretNotFound` when it is not there or not listed
   */
  secret(reference: string): Promise<Uint8Array>;
  /**
   * An imported identity that the configuration of this run lists, its `identityReference` for example.
   *
   * @throws {ProviderError} `secretNotFound` @throws {KeychainError} `malformedFile` when the secret is no identity
   */
  identity(reference: string): Promise<ProviderIdentity>;
}
