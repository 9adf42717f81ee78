import { KeychainError } from '../protocol/errors.ts';
import { maximumPkcs12Bytes, maximumPkcs12Password, type IdentityFacts } from '../protocol/keychain.ts';
import { encodeBase64 } from './base64.ts';
import type { CallOptions } from './endpoint-connection.ts';
import type { ReconnectingClient } from './reconnecting-client.ts';

/** An identity in the helper's store. */
export interface ImportedIdentity {
  /** What a configuration names as its `identityReference`. Unless one does within an hour, the identity is removed. */
  readonly reference: string;
  /** What may be shown of it. */
  readonly identity: IdentityFacts;
}

/**
 * Imports a PKCS#12 file (`.p12`, `.pfx`; RFC 7292) into the helper's store (contract K3).
 *
 * Key and password go to the helper alone and never come back.
 *
 * @param bytes the file's content, at most 256 KiB
 * @param password the file's, at most 1000 UTF-16 units; empty if it has none
 * @throws {KeychainError} `tooLarge` before anything is sent
 * @throws {RemoteError} KeychainError `wrongPassword`, `malformedFile`, `noPrivateKey`, `noCertificate`, `keyMismatch`,
 *   `certificateExpired`, `certificateNotYetValid`, `unsupportedAlgorithm`, `tooLarge`; EndpointError `accessDenied`
 */
export async function importIdentity(
  client: ReconnectingClient,
  bytes: Uint8Array,
  password: string,
  options: CallOptions = {},
): Promise<ImportedIdentity> {
  if (bytes.byteLength > maximumPkcs12Bytes) {
    throw new KeychainError(
      'tooLarge',
      `The file has ${String(bytes.byteLength)} bytes; a PKCS#12 file of at most ${String(maximumPkcs12Bytes)} is accepted. Export one identity alone.`,
    );
  }
  if (password.length > maximumPkcs12Password) {
    throw new KeychainError(
      'tooLarge',
      `A password of at most ${String(maximumPkcs12Password)} characters is accepted. Export the file again with a shorter one.`,
    );
  }
  return await client.call('keychain.importIdentity', { data: encodeBase64(bytes), password }, options);
}
