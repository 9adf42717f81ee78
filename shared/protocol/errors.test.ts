import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ConnectionError,
  deserializeError,
  EndpointError,
  errorCodes,
  isError,
  RemoteError,
  serializedErrorSchema,
  serializeError,
  VPNError,
  type SerializedError,
} from './errors.ts';

const serialized: fc.Arbitrary<SerializedError> = fc.letrec<{ error: SerializedError }>((tie) => ({
  error: fc.record(
    {
      domain: fc.string({ maxLength: 100 }),
      code: fc.string({ maxLength: 100 }),
      number: fc.integer(),
      message: fc.string({ maxLength: 300 }),
      details: fc.dictionary(
        fc.string().filter((key) => key !== '__proto__'),
        fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)),
      ),
      cause: fc.oneof({ maxDepth: 3 }, fc.constant(undefined), tie('error')),
    },
    { requiredKeys: ['domain', 'code', 'number', 'message'] },
  ),
})).error;

describe('the numbers', () => {
  it('are NetworkExtension’s own where a domain is', () => {
    expect(errorCodes.VPNError).toMatchObject({
      configurationInvalid: 1,
      configurationStale: 4,
      configurationUnknown: 6,
    });
    expect(errorCodes.ConnectionError).toMatchObject({
      overslept: 1,
      authenticationFailed: 8,
      serverCertificateExpired: 19,
    });
    expect(errorCodes.SystemExtensionError).toMatchObject({
      unknown: 1,
      requestSuperseded: 12,
      authorizationRequired: 13,
    });
  });

  it.each(Object.entries(errorCodes))('of %s run from 1 without gaps or repetition', (_domain, codes) => {
    const numbers = Object.values(codes);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });
});

describe('a serialized error', () => {
  it('comes back the same after the way over the endpoint', () => {
    fc.assert(
      fc.property(serialized, (error) => {
        const received = serializedErrorSchema.parse(JSON.parse(JSON.stringify(error)));
        expect(JSON.parse(JSON.stringify(serializeError(deserializeError(received))))).toEqual(
          JSON.parse(JSON.stringify(error)),
        );
      }),
    );
  });

  it('fits the schema, whatever was thrown', () => {
    const thrown = fc.oneof(
      fc.anything(),
      fc.string({ maxLength: 9000 }).map((message) => new Error(message)),
      fc.string().map((message) => new TypeError(message, { cause: new Error('inner') })),
    );
    fc.assert(
      fc.property(thrown, (error) => {
        expect(serializedErrorSchema.safeParse(serializeError(error)).success).toBe(true);
      }),
    );
  });

  it('loses a __proto__ among its details, so that nobody’s prototype is set by a peer', () => {
    const text =
      '{"domain":"A","code":"b","number":1,"message":"c","details":{"__proto__":{"admin":true},"d":1}}';
    const received = serializedErrorSchema.parse(JSON.parse(text));
    expect(Object.keys(received.details ?? {})).toEqual(['d']);
    expect(received.details?.['admin']).toBeUndefined();
  });

  it('says so when what was thrown has no text', () => {
    const hostile = {
      toString: () => {
        throw new Error('no');
      },
    };
    expect(serializeError(hostile).message).toBe('Something was thrown that has no text.');
  });

  it('has no stack, and cuts a chain of causes that has no end', () => {
    const error = new Error('round');
    error.cause = error;
    const text = JSON.stringify(serializeError(error));
    expect(text).not.toContain('errors.test');
    expect(text.match(/round/g)).toHaveLength(9);
  });

  it('keeps domain, code, number, details and cause', () => {
    const cause = new ConnectionError('serverDead', 'gone');
    const error = new VPNError('connectionFailed', 'no', { details: { tries: 3 }, cause });
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      domain: 'VPNError',
      code: 'connectionFailed',
      number: 3,
      message: 'no',
      details: { tries: 3 },
      cause: { domain: 'ConnectionError', code: 'serverDead', number: 7, message: 'gone' },
    });
  });
});

describe('isError', () => {
  it('knows local and remote errors by domain and code', () => {
    const local = new EndpointError('timedOut', 'late');
    for (const error of [local, new RemoteError(serializeError(local))]) {
      expect(isError(error, 'EndpointError')).toBe(true);
      expect(isError(error, 'EndpointError', 'notReachable', 'timedOut')).toBe(true);
      expect(isError(error, 'EndpointError', 'notReachable')).toBe(false);
      expect(isError(error, 'ProviderError', 'timedOut')).toBe(false);
    }
    expect(isError(new Error('timedOut'), 'EndpointError')).toBe(false);
  });
});
