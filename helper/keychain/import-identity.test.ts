import { createPrivateKey, sign, verify, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { serializeError } from '@sallyport/shared/protocol/errors.ts';
import { native } from '../native/load.ts';
import { MemorySecretStore } from '../testing/memory-keychain.ts';
import { distinguishedName } from './certificate-facts.ts';
import { decodeIdentity } from './identity-record.ts';
import { IdentityImporter } from './import-identity.ts';

/*
 * The fixtures hold one throw-away key and were made with OpenSSL 3:
 *   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /O=Example/CN=Ada -days 36500 …
 *   openssl pkcs12 -export [-legacy] -inkey … -in … -passout pass:correct-horse-canary
 */
const password = 'correct-horse-canary';
const fixture = (name: string): Promise<Buffer> =>
  readFile(new URL(`../testing/identities/${name}`, import.meta.url));

let secrets: MemorySecretStore;
let pending: { reference: string; uid: number }[];
let importer: IdentityImporter;
let now = 0;

beforeEach(() => {
  secrets = new MemorySecretStore();
  pending = [];
  now = Date.UTC(2030, 0, 1);
  importer = new IdentityImporter(
    secrets,
    {
      add: (reference, uid) => {
        pending.push({ reference, uid });
      },
    },
    () => now,
  );
});

describe('IdentityImporter', () => {
  it.each(['modern.p12', 'legacy.p12'])(
    '[K3] stores the key and certificate of %s, and tells what is public',
    async (name) => {
      const bytes = await fixture(name);
      const { reference, identity } = await importer.import(bytes, password, 1000);
      expect(identity).toMatchObject({
        subject: 'CN=Ada,O=Example',
        issuer: 'CN=Ada,O=Example',
        keyType: 'ec',
        keyBits: 256,
        chainLength: 1,
      });
      expect(pending).toEqual([{ reference, uid: 1000 }]);
      const { privateKey, certificates } = decodeIdentity(await secrets.read(reference));
      const key = createPrivateKey({ key: Buffer.from(privateKey), format: 'der', type: 'pkcs8' });
      const certificate = new X509Certificate(certificates[0] ?? '');
      const text = Buffer.from('text');
      expect(verify('sha256', text, certificate.publicKey, sign('sha256', text, key))).toBe(true);
      expect(identity.fingerprint).toBe(certificate.fingerprint256.replaceAll(':', '').toLowerCase());
      expect(bytes.every((byte) => byte === 0)).toBe(true);
    },
  );

  it.each<[string, (file: Buffer) => [Buffer, string, number]]>([
    ['wrongPassword', (file) => [file, `${password}!`, Date.UTC(2030)]],
    ['malformedFile', (file) => [file.subarray(0, 100), password, Date.UTC(2030)]],
    ['malformedFile', () => [Buffer.alloc(0), password, Date.UTC(2030)]],
    ['tooLarge', () => [Buffer.alloc(256 * 1024 + 1), password, Date.UTC(2030)]],
    ['certificateExpired', (file) => [file, password, Date.UTC(2200)]],
    ['certificateNotYetValid', (file) => [file, password, Date.UTC(2000)]],
  ])('[K2] [K3] stores nothing on %s, and says nothing secret', async (code, change) => {
    const [bytes, secret, time] = change(await fixture('modern.p12'));
    now = time;
    const error: unknown = await importer.import(bytes, secret, 1000).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ domain: 'KeychainError', code });
    expect(inspect(error, { depth: 9 }) + JSON.stringify(serializeError(error))).not.toContain(password);
    expect(secrets.stored.size).toBe(0);
    expect(pending).toEqual([]);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  });

  it('[K2] wipes the password’s copy, the keys and the record that it stored', async () => {
    const reading = vi.spyOn(native(), 'readPkcs12');
    const storing = vi.spyOn(secrets, 'put');
    await importer.import(await fixture('modern.p12'), password, 1000);
    const keys = reading.mock.settledResults.flatMap((one) =>
      one.type === 'fulfilled' ? one.value.keys : [],
    );
    const held = [reading.mock.calls[0]?.[1], storing.mock.calls[0]?.[1], ...keys];
    vi.restoreAllMocks();
    expect(held.map((bytes) => bytes?.every((byte) => byte === 0))).toEqual([true, true, true]);
  });

  it('lets few wait, and goes on after a failure', async () => {
    const file = await fixture('modern.p12');
    const imports = Array.from({ length: 10 }, (_, index) =>
      importer.import(Buffer.from(file), index === 0 ? 'wrong' : password, 1),
    );
    const results = await Promise.allSettled(imports);
    expect(results.map(({ status }) => status)).toEqual([
      'rejected',
      ...Array.from({ length: 7 }, () => 'fulfilled'),
      'rejected',
      'rejected',
    ]);
    expect(results[9]).toMatchObject({ reason: { code: 'tooManyRequests' } });
    await importer.import(file, password, 1);
    expect(secrets.stored.size).toBe(8);
  });
});

it('writes names as RFC 4514 does', () => {
  expect(distinguishedName('C=DE\nO=A\\, B\nOU=x + CN=y\\+z')).toBe('OU=x+CN=y\\+z,O=A\\, B,C=DE');
  expect(distinguishedName(undefined)).toBe('');
  expect(distinguishedName('x'.repeat(3000))).toHaveLength(2000);
});
