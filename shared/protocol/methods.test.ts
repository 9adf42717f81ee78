import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { roleFor, roles } from './authorization.ts';
import { configurationDraftSchema } from './configuration.ts';
import { maximumProviderMessageBytes, maximumFrameBytes } from './limits.ts';
import { methodNames, methods, notificationNames, notifications } from './methods.ts';
import { sessionStatuses, sessionStatusSchema, stopReasons, stopReasonSchema } from './session.ts';

const id = '0b0e7f1c-7f66-4d5e-9a1b-5c27f0e3a001';
const draft = {
  id,
  name: 'Home',
  protocolConfiguration: { providerBundleIdentifier: 'com.example.tunnel', serverAddress: null },
};

describe('every method', () => {
  it.each(methodNames)('%s has a role and a sentence for the documentation', (name) => {
    expect(roles).toContain(roleFor(name));
    expect(methods[name].summary).toMatch(/^[A-Z].*\.$/);
  });

  it.each(methodNames)('%s refuses what is no object, and fields it does not know', (name) => {
    const { params } = methods[name];
    for (const value of [
      null,
      undefined,
      [],
      'text',
      1,
      { surprise: true },
      JSON.parse('{"__proto__":{"id":1}}'),
    ]) {
      expect(params.safeParse(value).success).toBe(false);
    }
  });

  it.each(methodNames)('%s answers anything at all with a verdict, never with a throw', (name) => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(typeof methods[name].params.safeParse(value).success).toBe('boolean');
        expect(typeof methods[name].result.safeParse(value).success).toBe('boolean');
      }),
      { numRuns: 50 },
    );
  });
});

it.each(notificationNames)('notification %s has a sentence and refuses what it does not know', (name) => {
  expect(notifications[name].summary).toMatch(/^[A-Z].*\.$/);
  expect(notifications[name].params.safeParse({ surprise: true }).success).toBe(false);
});

describe('parameters', () => {
  it('may leave out what has a default', () => {
    expect(methods['session.start'].params.parse({ id })).toEqual({ id, options: null, supersede: false });
    expect(methods['log.read'].params.parse({})).toEqual({ limit: 200, level: 'info', follow: false });
    expect(configurationDraftSchema.parse(draft)).toMatchObject({
      isEnabled: true,
      retry: true,
      secretReferences: [],
    });
  });

  it.each([
    ['a path for a name', { ...draft, name: '../../etc/passwd' }],
    ['a name with a line break', { ...draft, name: 'a\nb' }],
    ['a name of 300 bytes', { ...draft, name: 'é'.repeat(150) }],
    ['an id that is no UUID', { ...draft, id: '../x' }],
    ['a reference that is no UUID', { ...draft, secretReferences: ['/etc/shadow'] }],
    [
      'a provider identifier with a slash',
      { ...draft, protocolConfiguration: { providerBundleIdentifier: 'com/evil', serverAddress: null } },
    ],
    [
      'a vendor dictionary above 256 KiB',
      {
        ...draft,
        protocolConfiguration: {
          ...draft.protocolConfiguration,
          providerConfiguration: { x: 'y'.repeat(262_144) },
        },
      },
    ],
  ])('refuse %s', (_title, configuration) => {
    expect(
      methods['configurations.save'].params.safeParse({ configuration, expectedRevision: null }).success,
    ).toBe(false);
  });

  it('[E7] leave room in a frame for the largest provider message', () => {
    const message = Buffer.alloc(maximumProviderMessageBytes, 0xff).toString('base64');
    const params = { id, message, timeout: 1000 };
    expect(methods['session.sendProviderMessage'].params.safeParse(params).success).toBe(true);
    expect(
      JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'session.sendProviderMessage', params }).length,
    ).toBeLessThan(maximumFrameBytes);
  });
});

describe('status and stop reason', () => {
  it('have every name once, with its NetworkExtension number', () => {
    expect(sessionStatusSchema.options).toEqual(Object.keys(sessionStatuses));
    expect(Object.values(sessionStatuses)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(stopReasonSchema.options).toEqual(Object.keys(stopReasons));
    expect(Object.values(stopReasons)).toEqual(Array.from({ length: 18 }, (_, number) => number));
  });
});
