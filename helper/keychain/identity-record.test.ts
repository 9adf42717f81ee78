import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isError } from '@sallyport/shared/protocol/errors.ts';
import {
  decodeIdentity,
  encodeIdentity,
  maximumIdentityBytes,
  maximumIdentityCertificates,
} from './identity-record.ts';

const part = fc.uint8Array({ minLength: 1, maxLength: 900 });
const identities = fc.record({
  privateKey: part,
  certificates: fc.array(part, { minLength: 1, maxLength: maximumIdentityCertificates }),
});

/** Whether the bytes are taken; whatever else they are, only the typed refusal may come of them. */
function isIdentity(bytes: Uint8Array): boolean {
  try {
    decodeIdentity(bytes);
    return true;
  } catch (error) {
    expect(isError(error, 'KeychainError', 'malformedFile')).toBe(true);
    return false;
  }
}

describe('the record of an identity', () => {
  it('gives back what was written', () => {
    fc.assert(
      fc.property(identities, (identity) => {
        expect(decodeIdentity(encodeIdentity(identity))).toEqual(identity);
      }),
    );
  });

  it('has one form only: what is read is what would be written', () => {
    fc.assert(
      fc.property(identities, fc.nat(), fc.integer({ min: 0, max: 255 }), (identity, where, value) => {
        const record = encodeIdentity(identity);
        record[where % record.byteLength] = value;
        if (isIdentity(record)) expect(encodeIdentity(decodeIdentity(record))).toEqual(record);
      }),
    );
  });

  it('is refused when it is cut short or goes on', () => {
    fc.assert(
      fc.property(identities, fc.nat(), part, (identity, where, more) => {
        const record = encodeIdentity(identity);
        expect(isIdentity(record.subarray(0, where % record.byteLength))).toBe(false);
        expect(isIdentity(Uint8Array.of(...record, ...more))).toBe(false);
      }),
    );
  });

  it('refuses any other bytes with one typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(isIdentity(bytes)).toBe(false);
        const headed = Uint8Array.of(0x53, 0x50, 0x49, 0x44, 1, ...bytes);
        if (isIdentity(headed)) expect(encodeIdentity(decodeIdentity(headed))).toEqual(headed);
      }),
    );
  });

  it('does not share memory with the record, which can be wiped', () => {
    const record = encodeIdentity({ privateKey: Uint8Array.of(1), certificates: [Uint8Array.of(2)] });
    const identity = decodeIdentity(record);
    record.fill(0);
    expect([...identity.privateKey]).toEqual([1]);
  });

  it('refuses an identity without key, without certificate, and one that is too large', () => {
    const one = Uint8Array.of(1);
    expect(() => encodeIdentity({ privateKey: new Uint8Array(), certificates: [one] })).toThrow(
      /private key/,
    );
    expect(() => encodeIdentity({ privateKey: one, certificates: [] })).toThrow(/no certificate/);
    expect(() => encodeIdentity({ privateKey: one, certificates: [new Uint8Array()] })).toThrow(/empty/);
    const many = Array.from({ length: maximumIdentityCertificates + 1 }, () => one);
    expect(() => encodeIdentity({ privateKey: one, certificates: many })).toThrow(/at most 32/);
    const large = new Uint8Array(maximumIdentityBytes);
    expect(() => encodeIdentity({ privateKey: one, certificates: [large] })).toThrow(/at most 32 and 65536/);
  });
});
