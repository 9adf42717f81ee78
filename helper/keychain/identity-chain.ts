import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { KeychainError } from '@sallyport/shared/protocol/errors.ts';
import { maximumIdentityCertificates } from './identity-record.ts';

/** A private key with the certificates that belong to it. */
export interface MatchedIdentity {
  /** PKCS#8, DER; one of those that were given, not a copy. */
  readonly privateKey: Uint8Array;
  /** The key's own first, each issuer after what it issued. */
  readonly certificates: readonly [X509Certificate, ...X509Certificate[]];
}

/** Most signatures that are checked for one file: a hostile one can make each take 15 ms. */
export const maximumSignatureChecks = 64;

/**
 * Finds which certificate belongs to which key, and the certificates above it.
 *
 * The first key that a certificate matches is taken, and of several certificates for it one that is valid now, then
 * the one that is valid longest. Certificates that are not in its chain are dropped. Everybody else is served between
 * the checks of signatures.
 *
 * @param keys PKCS#8, DER
 * @param certificates X.509, DER
 * @throws {KeychainError} `noPrivateKey`, `noCertificate`, `keyMismatch`, `malformedFile`
 */
export async function matchIdentity(
  keys: readonly Uint8Array[],
  certificates: readonly Uint8Array[],
  now: number,
): Promise<MatchedIdentity> {
  if (keys.length === 0) {
    throw new KeychainError(
      'noPrivateKey',
      'The file holds no private key. Export the certificate together with its private key.',
    );
  }
  if (certificates.length === 0) {
    throw new KeychainError(
      'noCertificate',
      'The file holds no certificate. Export the private key together with its certificate.',
    );
  }
  const all = certificates.map(parseCertificate);
  const ranked = all.toSorted((one, other) => rank(other, now) - rank(one, now));
  for (const privateKey of keys) {
    const key = parseKey(privateKey);
    const own = ranked.find((one) => quietly(() => one.checkPrivateKey(key)));
    if (own !== undefined) return { privateKey, certificates: [own, ...(await issuers(own, ranked))] };
  }
  throw new KeychainError(
    'keyMismatch',
    'None of the certificates in the file belongs to its private key. Export both from the same place again.',
  );
}

/** The certificates above one, upwards, as far as they are there and `maximumSignatureChecks` finds them. */
async function issuers(own: X509Certificate, all: readonly X509Certificate[]): Promise<X509Certificate[]> {
  const chain: X509Certificate[] = [];
  const used = new Set([own.fingerprint256]);
  let last = own;
  let checks = 0;
  const isIssuer = async (one: X509Certificate, child: X509Certificate): Promise<boolean> => {
    if (used.has(one.fingerprint256) || !quietly(() => child.checkIssued(one))) return false;
    checks += 1;
    await nextTurn();
    return checks <= maximumSignatureChecks && quietly(() => child.verify(one.publicKey));
  };
  while (chain.length + 1 < maximumIdentityCertificates) {
    let issuer: X509Certificate | undefined;
    for (const one of all) {
      if (!(await isIssuer(one, last))) continue;
      issuer = one;
      break;
    }
    if (issuer === undefined || isSelfIssued(last)) break;
    used.add(issuer.fingerprint256);
    chain.push(issuer);
    last = issuer;
  }
  return chain;
}

function isSelfIssued(certificate: X509Certificate): boolean {
  return quietly(() => certificate.checkIssued(certificate));
}

/** Higher is better: valid now before all others, then by the end of validity. */
function rank(certificate: X509Certificate, now: number): number {
  const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
  if (Number.isNaN(from) || Number.isNaN(to)) return Number.MIN_SAFE_INTEGER;
  return from <= now && now <= to ? to + Number.MAX_SAFE_INTEGER / 2 : to;
}

/** A comparison that cannot be made, for a key of an unknown type for example, is none that holds. */
function quietly(compare: () => boolean): boolean {
  try {
    return compare();
  } catch {
    return false;
  }
}

function parseCertificate(der: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch {
    throw new KeychainError('malformedFile', 'A certificate in the file is broken. Export the file again.');
  }
}

function parseKey(der: Uint8Array): KeyObject {
  try {
    return createPrivateKey({
      key: Buffer.from(der.buffer, der.byteOffset, der.byteLength),
      format: 'der',
      type: 'pkcs8',
    });
  } catch {
    // OpenSSL's reason could quote what it read.
    throw new KeychainError('malformedFile', 'The private key in the file is broken. Export the file again.');
  }
}
