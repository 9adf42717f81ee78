import { describe, expect, it } from 'vitest';
import { includesRole, roleFor, roles, type Role } from '@sallyport/shared/protocol/authorization.ts';
import {
  methodNames,
  methods,
  type MethodName,
  type MethodParams,
} from '@sallyport/shared/protocol/methods.ts';
import { accessDenied } from './authorization.ts';
import { dispatch, type Caller, type MethodHandlers } from './dispatch.ts';

const id = '0b0e7f1c-7f66-4d5e-9a1b-5c27f0e3a001';

/** Parameters with every field given. */
const samples: { readonly [M in MethodName]: MethodParams<M> } = {
  hello: { protocol: { oldest: 1, newest: 1 }, client: { name: 'test', version: '1' } },
  'extension.list': {},
  'events.subscribe': {},
  'configurations.list': {},
  'configurations.load': { id },
  'configurations.save': {
    configuration: {
      id,
      name: 'Home',
      isEnabled: true,
      scope: 'system',
      retry: true,
      protocolConfiguration: {
        providerBundleIdentifier: 'com.example.tunnel',
        serverAddress: null,
        username: null,
        passwordReference: id,
        identityReference: null,
        disconnectOnSleep: false,
        includeAllNetworks: false,
        excludeLocalNetworks: false,
        enforceRoutes: false,
        providerConfiguration: {},
      },
      secretReferences: [id],
    },
    expectedRevision: 1,
    secrets: { [id]: 'AAAA' },
  },
  'configurations.remove': { id },
  'keychain.importIdentity': { data: 'AAAA', password: 'x' },
  'session.start': { id, options: {}, supersede: true },
  'session.stop': { id },
  'session.statistics': { id },
  'session.lastDisconnectError': { id },
  'session.sendProviderMessage': { id, message: '', timeout: 1 },
  'log.read': { limit: 1, level: 'info', follow: true },
};

const calls: { method: string; request: unknown }[] = [];

class Reached extends Error {}

const note =
  (method: MethodName) =>
  (request: unknown): never => {
    calls.push({ method, request });
    throw new Reached();
  };

/** Handlers that note what reaches them and throw `Reached`. */
const handlers: MethodHandlers = {
  hello: note('hello'),
  'extension.list': note('extension.list'),
  'events.subscribe': note('events.subscribe'),
  'configurations.list': note('configurations.list'),
  'configurations.load': note('configurations.load'),
  'configurations.save': note('configurations.save'),
  'configurations.remove': note('configurations.remove'),
  'keychain.importIdentity': note('keychain.importIdentity'),
  'session.start': note('session.start'),
  'session.stop': note('session.stop'),
  'session.statistics': note('session.statistics'),
  'session.lastDisconnectError': note('session.lastDisconnectError'),
  'session.sendProviderMessage': note('session.sendProviderMessage'),
  'log.read': note('log.read'),
};

function send(method: string, params: unknown, role: Role = 'administrator'): Promise<unknown> {
  calls.length = 0;
  const authorize = (known: MethodName): Promise<Caller> => {
    if (!includesRole(role, roleFor(known))) return Promise.reject(accessDenied(known, 'action', 'no'));
    const mayConfigure = (): Promise<boolean> => Promise.resolve(false);
    return Promise.resolve({ connection: 1, uid: 0, pid: 1, role, mayConfigure });
  };
  return dispatch(handlers, method, params, authorize, new AbortController().signal);
}

/** Every way to put something wrong in the place of one field, and every place for an unknown field. */
function spoiled(value: unknown, path: string[] = []): { path: string[]; params: unknown }[] {
  if (typeof value !== 'object' || value === null) return [];
  const object = value;
  const surprise = { path, params: Array.isArray(object) ? [...object, []] : { ...object, surprise: 1 } };
  const below = Object.entries(object).flatMap(([key, child]) => {
    const replace = (by: unknown): unknown =>
      Array.isArray(object) ? object.with(Number(key), by) : { ...object, [key]: by };
    return [
      { path: [...path, key], params: replace([[]]) },
      // Vendor dictionaries hold anything, so nothing can be wrong inside them.
      ...(key === 'options' || key === 'providerConfiguration' ? [] : spoiled(child, [...path, key])).map(
        (one) => ({
          path: one.path,
          params: replace(one.params),
        }),
      ),
    ];
  });
  return [surprise, ...below];
}

describe('dispatch', () => {
  it.each([
    '',
    'Hello',
    'hello ',
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    '\u001b[2J',
    'x'.repeat(9000),
  ])('has no method %j', async (method) => {
    await expect(send(method, {})).rejects.toMatchObject({ domain: 'EndpointError', code: 'unknownMethod' });
    await expect(send(method, {})).rejects.toThrow(/^[\x20-\x7e]{1,200}$/);
    expect(calls).toEqual([]);
  });

  it.each(methodNames)('passes %s on, validated', async (method) => {
    await expect(send(method, samples[method])).rejects.toThrow(Reached);
    expect(calls).toEqual([{ method, request: methods[method].params.parse(samples[method]) }]);
  });

  it.each(methodNames)('refuses parameters of %s that are no object', async (method) => {
    for (const params of [[], [samples[method]], 'text', 1, true]) {
      await expect(send(method, params)).rejects.toMatchObject({ code: 'invalidParameters' });
    }
    expect(calls).toEqual([]);
  });

  it.each(methodNames.flatMap((method) => spoiled(samples[method]).map((one) => ({ method, ...one }))))(
    'refuses $method with something wrong at $path',
    async ({ method, path, params }) => {
      const error: unknown = await send(method, params).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        domain: 'EndpointError',
        code: 'invalidParameters',
        details: { method },
      });
      expect(error).toHaveProperty('details.path', expect.arrayContaining(path));
      expect(calls).toEqual([]);
    },
  );

  it('fills in defaults, also when no parameters were sent', async () => {
    await expect(send('log.read', undefined)).rejects.toThrow(Reached);
    expect(calls[0]?.request).toEqual({ limit: 200, level: 'info', follow: false });
    await expect(send('session.start', { id })).rejects.toThrow(Reached);
    expect(calls[0]?.request).toEqual({ id, options: null, supersede: false });
  });

  it('answers a very long wrong name with a short error', async () => {
    const long = 'x'.repeat(500_000);
    const save = { ...samples['configurations.save'], secrets: { [long]: 'AAAA' } };
    const error: unknown = await send('configurations.save', save).catch((thrown: unknown) => thrown);
    expect(JSON.stringify(error).length).toBeLessThan(10_000);
  });

  it.each(methodNames.flatMap((method) => roles.map((role) => ({ method, role }))))(
    'looks at who calls before it looks at the parameters: $method as $role',
    async ({ method, role }) => {
      const may = roles.indexOf(role) >= roles.indexOf(roleFor(method));
      await expect(send(method, 'wrong', role)).rejects.toMatchObject({
        code: may ? 'invalidParameters' : 'accessDenied',
      });
    },
  );

  it('runs nothing that was cancelled while its caller was looked at', async () => {
    calls.length = 0;
    const abort = new AbortController();
    const authorize = (): Promise<Caller> => {
      abort.abort(new Error('nobody waits'));
      const mayConfigure = (): Promise<boolean> => Promise.resolve(false);
      return Promise.resolve({ connection: 1, uid: 0, pid: 1, role: 'administrator', mayConfigure });
    };
    const { signal } = abort;
    await expect(dispatch(handlers, 'session.stop', { id }, authorize, signal)).rejects.toThrow(
      'nobody waits',
    );
    expect(calls).toEqual([]);
  });
});
