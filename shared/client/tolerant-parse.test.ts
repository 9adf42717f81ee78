import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { configurationSchema } from '../protocol/configuration.ts';
import { serializedErrorSchema, type SerializedError } from '../protocol/errors.ts';
import {
  methodNames,
  methods,
  notificationNames,
  notifications,
  type MethodName,
  type MethodResult,
  type NotificationName,
  type NotificationParams,
} from '../protocol/methods.ts';
import type { SessionSnapshot } from '../protocol/session.ts';
import { tolerantParse } from './tolerant-parse.ts';

const id = '0b0e7f1c-7f66-4d5e-9a1b-5c27f0e3a001';

const cause: SerializedError = { domain: 'Error', code: 'EPERM', number: 0, message: 'no' };
const error: SerializedError = {
  domain: 'ConnectionError',
  code: 'serverDead',
  number: 7,
  message: 'It is gone.',
  cause,
};
const session: SessionSnapshot = {
  configurationId: id,
  status: 'connected',
  connectedDate: 1,
  statusReason: 'waiting',
  nextAttemptDate: null,
  instance: 3,
  virtualInterface: { name: 'tun0', index: 4 },
  lastEnd: { reason: 'sleep', error, at: 1 },
};
const configuration = configurationSchema.parse({
  id,
  name: 'Home',
  protocolConfiguration: { providerBundleIdentifier: 'com.example.tunnel', serverAddress: null },
  revision: 1,
  owner: 0,
  createdAt: 1,
  modifiedAt: 1,
});
const entry = { time: 1, sequence: 1, level: 'info', category: 'test', message: 'Hello' } as const;

const results: { readonly [M in MethodName]: MethodResult<M> } = {
  hello: {
    protocol: 1,
    role: 'container',
    extension: { identifier: 'com.example', version: '1.0.0', build: '1' },
    developerMode: false,
    pid: 1,
  },
  'extension.list': {
    extensions: [
      {
        bundleIdentifier: 'com.example',
        bundleVersion: '1',
        bundleShortVersion: '1.0.0',
        url: 'file:///opt/x/',
        isEnabled: true,
        isAwaitingUserApproval: false,
        isUninstalling: false,
        developerMode: false,
        pid: 1,
        startedAt: 1,
        registrations: [{ identifier: 'com.example.tunnel', type: 'packet-tunnel', found: 1, active: 0 }],
      },
    ],
  },
  'events.subscribe': { sequence: 0, configurations: [configuration], sessions: [session] },
  'configurations.list': { configurations: [configuration] },
  'configurations.load': { configuration },
  'configurations.save': { configuration },
  'configurations.remove': {},
  'keychain.importIdentity': {
    reference: id,
    identity: {
      subject: 'CN=a',
      issuer: 'CN=b',
      serialNumber: '01',
      notBefore: 0,
      notAfter: 1,
      fingerprint: 'ab'.repeat(32),
      keyType: 'ec',
      keyBits: 256,
      chainLength: 1,
    },
  },
  'session.start': {},
  'session.stop': {},
  'session.statistics': {
    statistics: {
      receivedBytes: 1,
      sentBytes: 1,
      malformedPackets: 0,
      droppedPackets: 0,
      peers: [{ publicKey: 'x', endpoint: null, latestHandshake: 1, receivedBytes: 1, sentBytes: 1 }],
    },
  },
  'session.lastDisconnectError': { reason: 'sleep', error },
  'session.sendProviderMessage': { reply: 'AA==' },
  'log.read': { entries: [entry] },
};

const told: { readonly [N in NotificationName]: NotificationParams<N> } = {
  'sessions.changed': { sequence: 1, session },
  'configurations.changed': { sequence: 1, id, configuration },
  'session.providerMessage': { sequence: 1, id, message: '' },
  'session.displayMessage': { sequence: 1, id, text: 'Hello' },
  'log.entry': entry,
};

/** The same as a newer version might say it: every object has two more fields. */
function newer(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(newer);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([key, field]) => [key, newer(field)]);
  return { ...Object.fromEntries(fields), addedLater: { deep: [1] }, andThis: null };
}

describe('[E9] an older client and a newer helper', () => {
  it.each(methodNames)('agree on the result of %s', (name) => {
    const schema: z.ZodType = methods[name].result;
    const sent = newer(results[name]);
    const before = structuredClone(sent);
    expect(schema.safeParse(sent).success).toBe(false);
    expect(tolerantParse(schema, sent)).toEqual({ success: true, data: results[name] });
    expect(sent).toEqual(before);
  });

  it.each(notificationNames)('agree on %s', (name) => {
    const schema: z.ZodType = notifications[name].params;
    expect(tolerantParse(schema, newer(told[name]))).toEqual({ success: true, data: told[name] });
  });

  it('agree on an error and its causes', () => {
    expect(tolerantParse(serializedErrorSchema, newer(error))).toEqual({ success: true, data: error });
  });
});

describe('what is not merely more', () => {
  it.each([
    ['missing', { a: 1, more: 1 }],
    ['of another type', { a: 1, b: 'x', more: 1 }],
    ['no object', [1]],
    ['nothing', undefined],
  ])('is refused: %s', (_what, value) => {
    expect(tolerantParse(z.strictObject({ a: z.int(), b: z.int() }), value).success).toBe(false);
  });

  it('is refused in each alternative of a union, and more is taken in one of them', () => {
    const union = z.strictObject({
      u: z.union([z.strictObject({ a: z.int() }), z.strictObject({ b: z.string(), c: z.strictObject({}) })]),
    });
    expect(tolerantParse(union, { u: { b: 'x', c: { d: 1 }, e: 1 }, f: 1 })).toEqual({
      success: true,
      data: { u: { b: 'x', c: {} } },
    });
    expect(tolerantParse(union, { u: { a: 'x', e: 1 } }).success).toBe(false);
  });
});
