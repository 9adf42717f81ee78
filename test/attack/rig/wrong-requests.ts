import { methodNames, methods } from '@sallyport/shared/protocol/methods.ts';

type Path = readonly string[];

/** Right parameters of each method, every optional member given. */
export function rightParameters(id: string): Readonly<Record<keyof typeof methods, object>> {
  return {
    hello: { protocol: { oldest: 1, newest: 1 }, client: { name: 'attack', version: '1' } },
    'extension.list': {},
    'events.subscribe': {},
    'configurations.list': {},
    'configurations.load': { id },
    'configurations.save': {
      configuration: {
        id,
        name: 'typed',
        isEnabled: true,
        scope: 'system',
        retry: true,
        protocolConfiguration: {
          providerBundleIdentifier: 'org.sallyport.attack.echo',
          serverAddress: 'server.example',
          username: 'user',
          passwordReference: id,
          identityReference: id,
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
    'session.start': { id, options: {}, supersede: false },
    'session.stop': { id },
    'session.statistics': { id },
    'session.lastDisconnectError': { id },
    'session.sendProviderMessage': { id, message: 'AAAA', timeout: 1000 },
    'log.read': { limit: 1, level: 'info', follow: false },
  };
}

/** A value of each type, and some that are nearly right. */
const values: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  '',
  '\u0000',
  '../',
  'x'.repeat(70_000),
  [],
  [[]],
  {},
];

/**
 * Every field of every method with a value of every type, as far as the method's own schema refuses it: a request that
 * the schema allows is not wrong. Members that the schema does not have come on top, at each level.
 */
export function wrongRequests(id: string): readonly (readonly [method: string, params: unknown])[] {
  const right = rightParameters(id);
  return methodNames.flatMap((method) => {
    const params = right[method];
    const { success } = methods[method].params.safeParse(params);
    if (!success) throw new Error(`These parameters of ${method} are not right themselves.`);
    const candidates: unknown[] = [
      ...pathsOf(params).flatMap((path) => values.map((value) => replaced(params, path, value))),
      ...objectsOf(params).map((path) => replaced(params, [...path, 'unexpected'], 1)),
    ];
    return candidates
      .filter((candidate) => !methods[method].params.safeParse(candidate).success)
      .map((candidate): readonly [string, unknown] => [method, candidate]);
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function pathsOf(value: unknown): Path[] {
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, member]) => [
    [key],
    ...pathsOf(member).map((path) => [key, ...path]),
  ]);
}

/** The places of all objects but dictionaries that may hold anything. */
function objectsOf(value: unknown): Path[] {
  return [[], ...pathsOf(value)].filter((path) => {
    const last = path.at(-1);
    return last !== 'providerConfiguration' && last !== 'options' && isObject(memberOf(value, path));
  });
}

function memberOf(value: unknown, [first, ...rest]: Path): unknown {
  if (first === undefined) return value;
  return isObject(value) ? memberOf(value[first], rest) : undefined;
}

function replaced(value: unknown, [first, ...rest]: Path, member: unknown): unknown {
  if (first === undefined) return member;
  const object = isObject(value) ? value : {};
  return { ...object, [first]: replaced(object[first], rest, member) };
}
