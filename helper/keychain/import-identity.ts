import { randomUUID } from 'node:crypto';
import { EndpointError, KeychainError, type ErrorCode } from '@sallyport/shared/protocol/errors.ts';
import { maximumPkcs12Bytes, type IdentityFacts } from '@sallyport/shared/protocol/keychain.ts';
import { native } from '../native/load.ts';
import { certificateFacts } from './certificate-facts.ts';
import { matchIdentity } from './identity-chain.ts';
import { encodeIdentity } from './identity-record.ts';
import type { PendingSecrets } from './pending-secrets.ts';
import type { SecretStore } from './secret-store.ts';

/** An identity that was read and found good, and is not stored yet. */
export interface ReadIdentity {
  /** What `decodeIdentity` reads. **Holds the private key**: wipe it. */
  readonly record: Uint8Array;
  readonly facts: IdentityFacts;
}

/**
 * Reads a PKCS#12 file (RFC 7292) and checks what it holds.
 *
 * All that held the key is wiped but the record, and the copy of the password; the string itself is the caller's to
 * forget, JavaScript cannot wipe it.
 *
 * @param now Unix milliseconds, for the certificate's validity
 * @throws {KeychainError} `wrongPassword`, `malformedFile`, `noPrivateKey`, `noCertificate`, `keyMismatch`,
 *   `certificateExpired`, `certificateNotYetValid`, `unsupportedAlgorithm`, `tooLarge`
 */
export async function readIdentity(bytes: Uint8Array, password: string, now: number): Promise<ReadIdentity> {
  if (bytes.byteLength > maximumPkcs12Bytes) throw problemError('tooLarge');
  const secret = new TextEncoder().encode(password);
  let reading;
  try {
    reading = native().readPkcs12(bytes, secret);
  } finally {
    // The native side has taken its copy.
    secret.fill(0);
  }
  const { problem, keys, certificates } = await reading;
  try {
    if (problem !== undefined) throw problemError(problem);
    const matched = await matchIdentity(keys, certificates, now);
    const facts = certificateFacts(matched.certificates[0]);
    checkValidity(facts, now);
    const record = encodeIdentity({
      privateKey: matched.privateKey,
      certificates: matched.certificates.map((one) => one.raw),
    });
    return { record, facts: { ...facts, chainLength: matched.certificates.length } };
  } finally {
    for (const key of keys) key.fill(0);
  }
}

/** Most imports that wait for others; each may take seconds of a processor. */
const maximumWaiting = 8;

/** Imports identities into the secret store, one after the other. */
export class IdentityImporter {
  readonly #secrets: Pick<SecretStore, 'put'>;
  readonly #pending: Pick<PendingSecrets, 'add'>;
  readonly #now: () => number;
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** @param pending removes what no configuration refers to in time */
  constructor(
    secrets: Pick<SecretStore, 'put'>,
    pending: Pick<PendingSecrets, 'add'>,
    now: () => number = Date.now,
  ) {
    this.#secrets = secrets;
    this.#pending = pending;
    this.#now = now;
  }

  /**
   * Stores the identity of a PKCS#12 file, or nothing (contract K3).
   *
   * @param bytes the file; wiped
   * @param uid who may refer to it
   * @throws {KeychainError} as `readIdentity`, and `storeUnreadable`
   * @throws {EndpointError} `tooManyRequests`
   */
  async import(
    bytes: Uint8Array,
    password: string,
    uid: number,
  ): Promise<{ reference: string; identity: IdentityFacts }> {
    if (this.#waiting >= maximumWaiting) {
      bytes.fill(0);
      throw new EndpointError(
        'tooManyRequests',
        'Other files are being imported. Try again in a few seconds.',
      );
    }
    this.#waiting += 1;
    const mine = this.#turn.then(() => this.#import(bytes, password, uid));
    this.#turn = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      this.#waiting -= 1;
      bytes.fill(0);
    }
  }

  async #import(
    bytes: Uint8Array,
    password: string,
    uid: number,
  ): Promise<{ reference: string; identity: IdentityFacts }> {
    const { record, facts } = await readIdentity(bytes, password, this.#now());
    try {
      const reference = randomUUID();
      await this.#secrets.put(reference, record);
      this.#pending.add(reference, uid);
      return { reference, identity: facts };
    } finally {
      record.fill(0);
    }
  }
}

function checkValidity(facts: Omit<IdentityFacts, 'chainLength'>, now: number): void {
  if (now > facts.notAfter) {
    throw new KeychainError(
      'certificateExpired',
      `The certificate of ${facts.subject} expired on ${day(facts.notAfter)}. Ask whoever issued it for a new one.`,
    );
  }
  if (now < facts.notBefore) {
    throw new KeychainError(
      'certificateNotYetValid',
      `The certificate of ${facts.subject} is valid from ${day(facts.notBefore)} on. Check this computer’s clock, or wait.`,
    );
  }
}

/** The day in UTC, which is the certificate's own time. */
function day(time: number): string {
  return `${new Date(time).toISOString().slice(0, 10)} (UTC)`;
}

type NativeProblem = Extract<
  ErrorCode<'KeychainError'>,
  'wrongPassword' | 'malformedFile' | 'unsupportedAlgorithm' | 'tooLarge'
>;

const problems: ReadonlyMap<string, readonly [NativeProblem, string]> = new Map(
  (
    [
      ['wrongPassword', 'The password does not open this file. Check it and try again.'],
      [
        'malformedFile',
        'This is no PKCS#12 file (.p12, .pfx), or it is damaged. Export it again, or copy it again.',
      ],
      [
        'unsupportedAlgorithm',
        'The file, or its key, uses an algorithm that is not supported, or far too many iterations. Export it again with AES-256 and a password; the key must be RSA or on P-256, P-384 or P-521.',
      ],
      ['tooLarge', 'The file is larger than 256 KiB or holds too many parts. Export one identity alone.'],
    ] satisfies [NativeProblem, string][]
  ).map(([code, message]) => [code, [code, message]]),
);

function problemError(name: string): Error {
  const known = problems.get(name);
  return known === undefined
    ? new Error(`The native reader gave the unknown problem ${name}.`)
    : new KeychainError(known[0], known[1]);
}
