import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { manifestSchema } from '@sallyport/shared/manifest/manifest.ts';
import { methodNames } from '@sallyport/shared/protocol/methods.ts';
import { PolkitRig } from '../rig/polkit.ts';
import { waitUntil } from '../rig/wait.ts';
import { Agent } from './rig/agent.ts';
import { attack } from './rig/attack.ts';
import { AttackRig, manifestFile, trusted, uids } from './rig/attack-rig.ts';
import { python } from './rig/attacker.ts';
import { codeOf, echoDraft, save, saved } from './rig/drafts.ts';
import { rightParameters } from './rig/wrong-requests.ts';

/** Who may do what, asked of a real polkitd by real processes of real users. */

const people = {
  /** At the screen. */
  active: 61_311,
  /** Logged in, with somebody else at the screen. */
  inactive: 61_312,
  /** Over the network. */
  remote: 61_313,
  /** Not logged in at all, as a service. */
  absent: 61_314,
  /** At the screen, and an administrator by a rule of the machine's. */
  granted: 61_315,
  /** At the screen, and kept from using tunnels by a rule. */
  forbidden: 61_316,
} as const;

const id = 'org.sallyport.attack';
const rule = `polkit.addRule(function (action, subject) {
  if (action.id.indexOf('${id}.') !== 0) return polkit.Result.NOT_HANDLED;
  if (subject.user === 'user${String(people.granted)}') return polkit.Result.YES;
  if (subject.user === 'user${String(people.forbidden)}') return polkit.Result.NO;
  return polkit.Result.NOT_HANDLED;
});`;

const stack = new AsyncDisposableStack();
let polkit: PolkitRig;
let rig: AttackRig;
let administrator: Agent;

beforeAll(async () => {
  const manifest = manifestSchema.parse(JSON.parse(await readFile(manifestFile, 'utf8')));
  polkit = stack.use(await PolkitRig.start({ manifests: [manifest] }));
  await polkit.addRule(rule);
  for (const uid of [people.active, people.granted, people.forbidden, uids.person, uids.attacker]) {
    await polkit.setSession(uid, 'active');
  }
  await polkit.setSession(people.inactive, 'inactive');
  await polkit.setSession(people.remote, 'remote');
  await polkit.setSession(people.absent, 'none');
  rig = stack.use(await AttackRig.start());
  administrator = stack.use(await rig.administrator());
  await mkdir('/run/attack/matrix', { recursive: true });
  await copyFile(trusted.client, '/run/attack/matrix/client');
});

afterAll(() => stack.disposeAsync());

/** By hand, and not from the table that the helper works with. */
const forAnybodyVerified = ['hello', 'extension.list', 'events.subscribe'];
const forUsers = [
  'configurations.list',
  'configurations.load',
  'session.start',
  'session.stop',
  'session.statistics',
  'session.lastDisconnectError',
  'session.sendProviderMessage',
];
const forAdministrators = [
  'configurations.save',
  'configurations.remove',
  'keychain.importIdentity',
  'log.read',
];
const everything = [...forAnybodyVerified, ...forUsers, ...forAdministrators];

const executables = {
  'the trusted program': trusted.client,
  'a copy of it': '/run/attack/matrix/client',
  'another program': python,
} as const;

/** What each person has with the trusted program. With any other they have nothing; root has everything with any. */
const persons: readonly (readonly [name: string, uid: number, methods: readonly string[]])[] = [
  ['root', 0, everything],
  ['a person at the screen', people.active, [...forAnybodyVerified, ...forUsers]],
  ['a person in the background', people.inactive, forAnybodyVerified],
  ['a person over the network', people.remote, forAnybodyVerified],
  ['a uid without a session', people.absent, forAnybodyVerified],
  ['an administrator by rule', people.granted, everything],
  ['a person forbidden by rule', people.forbidden, forAnybodyVerified],
];

test('[E2, E3] the matrix has every method', () => {
  expect(everything.toSorted()).toEqual([...methodNames].toSorted());
});

describe.each(persons)('%s', (_name, uid, methods) => {
  test.each(Object.entries(executables))('[E2, E3] with %s', async (program, executable) => {
    await using agent = await Agent.idle(rig.endpoint, { uid, executable });
    const hello = await agent.connect();
    const isLetIn = uid === 0 || program === 'the trusted program';
    if (!isLetIn) {
      expect(codeOf(hello)).toBe('accessDenied');
      expect(hello.error?.message).toMatch(/not the container app/);
      // One error, and the end: whatever it asks is not even heard.
      for (const method of methodNames)
        expect([method, codeOf(await agent.call(method))]).toEqual([method, 'closed']);
      return;
    }
    expect(hello.result).toMatchObject({
      role:
        uid === 0 || uid === people.granted
          ? 'administrator'
          : uid === people.active
            ? 'container'
            : 'observer',
    });
    const configuration = await saved(administrator);
    const parameters = rightParameters(configuration);
    for (const method of methodNames.filter((each) => each !== 'hello')) {
      const code = codeOf(await agent.call(method, parameters[method]));
      const isDenied = code === 'accessDenied';
      expect([method, isDenied]).toEqual([method, !methods.includes(method)]);
      // The others are answered, or fail for what they are about.
      expect(['untyped', 'closed', 'internalError', 'unknownMethod']).not.toContain(code);
    }
    if (!methods.includes('configurations.remove')) {
      expect(codeOf(await administrator.call('configurations.remove', { id: configuration }))).toBe(
        'answered',
      );
    }
  });
});

describe('[E8] several at once', () => {
  const snapshotSchema = z.object({
    sequence: z.int(),
    configurations: z.array(z.object({ id: z.string() })),
    sessions: z.array(z.object({ configurationId: z.string() })),
  });
  const statuses = (told: Awaited<ReturnType<Agent['told']>>, configuration: string) =>
    told
      .filter(({ method }) => method === 'sessions.changed')
      .map(({ params }) =>
        z.object({ session: z.object({ configurationId: z.string(), status: z.string() }) }).parse(params),
      )
      .filter(({ session }) => session.configurationId === configuration)
      .map(({ session }) => session.status);

  test('see each change once, numbered without gaps, in the same order, and each its own', async () => {
    await using owner = await rig.verified(people.granted);
    await using mate = await rig.verified(people.active);
    await using observer = await rig.verified(people.remote);
    const clients = [owner, mate, observer, administrator];
    const sequences: number[] = [];
    for (const client of clients) {
      await client.told(0);
      sequences.push(snapshotSchema.parse((await client.call('events.subscribe')).result).sequence);
    }
    const shared = await saved(owner, { scope: 'system' });
    const own = await saved(owner, { scope: 'user' });
    const runs = async (id: string): Promise<boolean> =>
      codeOf(await owner.call('session.sendProviderMessage', { id, message: 'AAAA', timeout: 1000 })) ===
      'answered';
    for (const configuration of [shared, own]) {
      expect(codeOf(await owner.call('session.start', { id: configuration }))).toBe('answered');
      await waitUntil('the session to run', () => runs(configuration));
      expect(codeOf(await owner.call('session.stop', { id: configuration }))).toBe('answered');
      await waitUntil('the session to end', async () => !(await runs(configuration)));
    }
    const told = [];
    for (const client of clients) told.push(await client.told(0.5));
    const [ownerTold = [], mateTold = [], observerTold = [], administratorTold = []] = told;
    for (const [index, each] of told.entries()) {
      const numbers = each
        .filter(({ method }) => method !== 'log.entry')
        .map(({ params }) => z.int().parse(params['sequence']));
      const from = sequences[index] ?? 0;
      expect(numbers).toEqual(numbers.map((_, position) => from + position + 1));
    }
    // One truth: what concerns everybody comes to everybody, in one order.
    const course = statuses(ownerTold, shared);
    expect(course).toContain('connecting');
    expect(course.at(-1)).toBe('disconnected');
    for (const each of [mateTold, observerTold, administratorTold])
      expect(statuses(each, shared)).toEqual(course);
    expect(statuses(administratorTold, own)).toEqual(statuses(ownerTold, own));
    // A person's own is there for that person and for administrators; of others' nobody else sees more than routes.
    expect(JSON.stringify(ownerTold)).toContain(own);
    const named = (each: typeof mateTold) =>
      each.filter(({ method, params }) => method === 'configurations.changed' && params['id'] === own);
    expect(named(administratorTold)).toHaveLength(1);
    for (const each of [mateTold, observerTold]) {
      expect(named(each)).toEqual([]);
      expect(JSON.stringify(each)).not.toContain(`attack ${own}`);
    }
    const { configurations } = z
      .object({ configurations: z.array(z.object({ id: z.string() })) })
      .parse((await mate.call('configurations.list')).result);
    expect(configurations.map(({ id: each }) => each)).toEqual([shared]);
    for (const configuration of [shared, own]) {
      expect(codeOf(await owner.call('configurations.remove', { id: configuration }))).toBe('answered');
    }
  });
});

attack(
  () => rig,
  'identity/second-user',
  async (attacked) => {
    await using owner = await attacked.verified(people.granted);
    await using other = await attacked.verified(people.active);
    const own = await saved(owner, { scope: 'user' });
    const nowhere = echoDraft().id;
    const calls: [string, (id: string) => object][] = [
      ['configurations.load', (each) => ({ id: each })],
      ['session.start', (each) => ({ id: each })],
      ['session.stop', (each) => ({ id: each })],
      ['session.statistics', (each) => ({ id: each })],
      ['session.lastDisconnectError', (each) => ({ id: each })],
      ['session.sendProviderMessage', (each) => ({ id: each, message: 'AAAA', timeout: 100 })],
    ];
    for (const [method, parameters] of calls) {
      const answer = await other.call(method, parameters(own));
      const ofNone = await other.call(method, parameters(nowhere));
      // As if there were none: not even that it is there can be learned.
      expect([method, answer.error?.message.replace(own, '')]).toEqual([
        method,
        ofNone.error?.message.replace(nowhere, ''),
      ]);
      expect([method, codeOf(answer)]).toEqual([method, 'configurationUnknown']);
    }
    for (const draft of [{ ...echoDraft(), id: own }]) {
      expect(codeOf(await save(other, draft, 1))).toBe('accessDenied');
    }
    expect(codeOf(await other.call('configurations.remove', { id: own }))).toBe('accessDenied');
    expect(codeOf(await owner.call('configurations.remove', { id: own }))).toBe('answered');
    return 'denied';
  },
);

attack(
  () => rig,
  'identity/user-switching',
  async (attacked) => {
    await using person = await attacked.verified(people.active);
    expect(codeOf(await person.call('configurations.list'))).toBe('answered');
    await polkit.setSession(people.active, 'inactive');
    const begin = performance.now();
    try {
      await waitUntil(
        'the right to use to end',
        async () => codeOf(await person.call('configurations.list')) === 'accessDenied',
        8000,
        250,
      );
    } finally {
      await polkit.setSession(people.active, 'active');
    }
    // An answer counts for five seconds at the most, a new connection has none.
    expect(performance.now() - begin).toBeLessThan(6500);
    return 'denied';
  },
);
