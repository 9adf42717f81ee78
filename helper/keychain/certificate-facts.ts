import { createHash, type X509Certificate } from 'node:crypto';
import { KeychainError } from '@sallyport/shared/protocol/errors.ts';
import type { IdentityFacts } from '@sallyport/shared/protocol/keychain.ts';

const curveBits: ReadonlyMap<string, number> = new Map([
  ['prime256v1', 256],
  ['secp384r1', 384],
  ['secp521r1', 521],
]);

/** Longest RSA modulus that OpenSSL computes with, in bits. */
const maximumModulusBits = 16_384;

/** What `identityFactsSchema` allows. */
const maximumName = 2000;
const maximumSerialNumber = 100;

/**
 * What a person may see of a certificate.
 *
 * @throws {KeychainError} `unsupportedAlgorithm` when its key is neither RSA nor on P-256, P-384 or P-521;
 *   `malformedFile` when a part of it cannot be read
 */
export function certificateFacts(certificate: X509Certificate): Omit<IdentityFacts, 'chainLength'> {
  const { serialNumber } = certificate;
  const notBefore = certificate.validFromDate.getTime();
  const notAfter = certificate.validToDate.getTime();
  if (Number.isNaN(notBefore) || Number.isNaN(notAfter) || serialNumber.length > maximumSerialNumber) {
    throw new KeychainError(
      'malformedFile',
      'The certificate in the file is broken: its validity or serial number cannot be read. Export the file again.',
    );
  }
  return {
    subject: distinguishedName(certificate.subject),
    issuer: distinguishedName(certificate.issuer),
    serialNumber: serialNumber.toUpperCase(),
    notBefore,
    notAfter,
    fingerprint: createHash('sha256').update(certificate.raw).digest('hex'),
    ...keyFacts(certificate),
  };
}

/**
 * A name as RFC 4514 writes it, from OpenSSL's lines: the last part first, parted by commas.
 *
 * The values are escaped in the lines already. Longer names than 2000 characters are cut.
 */
export function distinguishedName(lines: string | undefined): string {
  const name = (lines ?? '')
    .split('\n')
    .map((part) => part.replaceAll(' + ', '+'))
    .reverse()
    .join(',');
  return name.length <= maximumName ? name : `${name.slice(0, maximumName - 1)}…`;
}

function keyFacts(certificate: X509Certificate): Pick<IdentityFacts, 'keyType' | 'keyBits'> {
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
  if (asymmetricKeyType === 'rsa') {
    const keyBits = asymmetricKeyDetails?.modulusLength ?? 0;
    if (keyBits > 0 && keyBits <= maximumModulusBits) return { keyType: 'rsa', keyBits };
  }
  const keyBits = curveBits.get(asymmetricKeyDetails?.namedCurve ?? '');
  if (asymmetricKeyType === 'ec' && keyBits !== undefined) return { keyType: 'ec', keyBits };
  throw new KeychainError(
    'unsupportedAlgorithm',
    'The certificate’s key is neither RSA nor on the curve P-256, P-384 or P-521. Ask for a certificate with such a key.',
  );
}
