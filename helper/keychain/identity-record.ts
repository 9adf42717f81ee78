import { KeychainError } from '@sallyport/shared/protocol/errors.ts';

/** A certificate with its private key, as the store keeps it and as providers get it. */
export interface Identity {
  /** PKCS#8 (RFC 5208), DER, not encrypted. */
  readonly privateKey: Uint8Array;
  /** X.509, DER, the identity's own first and each issuer after what it issued; at least one. */
  readonly certificates: readonly Uint8Array[];
}

/** Most certificates in an identity's chain, its own included. */
export const maximumIdentityCertificates = 32;

/** Largest record, in bytes: what one secret may have. */
export const maximumIdentityBytes = 64 * 1024;

/** `SPID`, then the version of the form. */
const head = Uint8Array.of(0x53, 0x50, 0x49, 0x44, 1);
const lengthBytes = 4;

/**
 * Writes an identity as one secret: head, number of certificates in one byte, then the key and each certificate, each
 * after its length in four bytes, big-endian.
 *
 * The result is a copy that holds the key: wipe it after use.
 *
 * @throws {KeychainError} `noPrivateKey`, `noCertificate`, `tooLarge`
 */
export function encodeIdentity(identity: Identity): Uint8Array {
  const { privateKey, certificates } = identity;
  if (privateKey.byteLength === 0)
    throw new KeychainError('noPrivateKey', 'The identity has no private key.');
  if (certificates.length === 0 || certificates.some((one) => one.byteLength === 0)) {
    throw new KeychainError('noCertificate', 'The identity has no certificate, or an empty one.');
  }
  const parts = [privateKey, ...certificates];
  const total = parts.reduce((sum, part) => sum + lengthBytes + part.byteLength, head.byteLength + 1);
  if (certificates.length > maximumIdentityCertificates || total > maximumIdentityBytes) {
    throw new KeychainError(
      'tooLarge',
      `The identity has ${String(certificates.length)} certificates and ${String(total)} bytes; at most ` +
        `${String(maximumIdentityCertificates)} and ${String(maximumIdentityBytes)} are allowed. Export it without its chain.`,
    );
  }
  const record = new Uint8Array(total);
  const view = new DataView(record.buffer);
  record.set(head);
  record[head.byteLength] = certificates.length;
  let at = head.byteLength + 1;
  for (const part of parts) {
    view.setUint32(at, part.byteLength);
    record.set(part, at + lengthBytes);
    at += lengthBytes + part.byteLength;
  }
  return record;
}

/**
 * Reads what `encodeIdentity` wrote; nothing else passes, and nothing may follow it.
 *
 * The parts are copies, so that the record can be wiped.
 *
 * @throws {KeychainError} `malformedFile` when the bytes are no identity, a password for example
 */
export function decodeIdentity(record: Uint8Array): Identity {
  const count = record[head.byteLength];
  if (
    record.byteLength > maximumIdentityBytes ||
    head.some((byte, index) => record[index] !== byte) ||
    count === undefined ||
    count === 0 ||
    count > maximumIdentityCertificates
  ) {
    throw noIdentity();
  }
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const parts: Uint8Array[] = [];
  let at = head.byteLength + 1;
  while (parts.length < count + 1) {
    if (at + lengthBytes > record.byteLength) throw noIdentity();
    const length = view.getUint32(at);
    at += lengthBytes;
    if (length === 0 || length > record.byteLength - at) throw noIdentity();
    parts.push(record.slice(at, at + length));
    at += length;
  }
  const [privateKey, ...certificates] = parts;
  if (at !== record.byteLength || privateKey === undefined) throw noIdentity();
  return { privateKey, certificates };
}

function noIdentity(): KeychainError {
  return new KeychainError(
    'malformedFile',
    'The secret is not a certificate with its key. Import the PKCS#12 file again and choose that identity.',
  );
}
