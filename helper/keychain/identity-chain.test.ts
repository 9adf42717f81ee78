import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { matchIdentity, maximumSignatureChecks } from './identity-chain.ts';
import { decodeIdentity, type Identity } from './identity-record.ts';
import { readIdentity } from './import-identity.ts';

const now = Date.UTC(2030, 0, 1);

afterEach(() => {
  vi.restoreAllMocks();
});

/** A key and the certificate of `CN=Ada,O=Example` that it signed itself. */
async function fixture(): Promise<Identity> {
  const file = await readFile(new URL('../testing/identities/modern.p12', import.meta.url));
  return decodeIdentity((await readIdentity(file, 'correct-horse-canary', now)).record);
}

/** The certificate with other names and another serial number; its signature is then nobody's. */
function forged(der: Uint8Array, issuer: string, subject: string, serial: number): Buffer {
  const forgery = Buffer.from(der);
  const first = forgery.indexOf('Ada');
  forgery.write(issuer, first, 'latin1');
  forgery.write(subject, forgery.indexOf('Ada', first + 3), 'latin1');
  // Behind the version; the number's last bytes.
  const length = forgery[14] ?? 0;
  forgery.writeUInt16BE(serial, 15 + length - 2);
  return forgery;
}

it('checks few signatures of a file in which everybody might have issued everybody, and serves others between', async () => {
  const { privateKey, certificates } = await fixture();
  const [der = new Uint8Array()] = certificates;
  const hostile = Array.from({ length: 64 }, (_, index) =>
    index % 2 === 0 ? forged(der, 'Bob', 'Ada', index) : forged(der, 'Ada', 'Bob', index),
  );
  expect(new Set(hostile.map((one) => new X509Certificate(one).serialNumber)).size).toBe(64);
  let checks = 0;
  let turns = 0;
  vi.spyOn(X509Certificate.prototype, 'verify').mockImplementation(() => {
    checks += 1;
    return checks % 16 === 0;
  });
  const spin = (): void => {
    turns += 1;
    immediate = setImmediate(spin);
  };
  let immediate = setImmediate(spin);
  const { certificates: chain } = await matchIdentity([privateKey], hostile, now);
  clearImmediate(immediate);
  expect(checks).toBe(maximumSignatureChecks);
  expect(turns).toBeGreaterThanOrEqual(maximumSignatureChecks);
  expect(chain.length).toBe(1 + maximumSignatureChecks / 16);
});

it('takes nobody for the issuer whose signature does not fit, whatever the names say', async () => {
  const { privateKey, certificates } = await fixture();
  const [der = new Uint8Array()] = certificates;
  const { certificates: chain } = await matchIdentity([privateKey], [der, forged(der, 'Bob', 'Ada', 7)], now);
  expect(chain.length).toBe(1);
});
