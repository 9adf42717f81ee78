import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import {
  configurationDraftSchema,
  type ConfigurationDraft,
} from '@sallyport/shared/protocol/configuration.ts';
import { EndpointRig, echoProvider, grantRole } from '../testing/endpoint-rig.ts';
import type { MemoryClient } from '../testing/memory-listener.ts';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';

const directory = useTemporaryDirectory();
const numbered = z.looseObject({ sequence: z.int() });
const use = 'org.sallyport.helper.use';
const configure = 'org.sallyport.helper.configure';

const [alice, bob, admin, stranger] = [1000, 1001, 1002, 1003];

let rig: EndpointRig;
/** A tunnel of Alice's own. */
let own: ConfigurationDraft;

function draft(changes: object = {}): ConfigurationDraft {
  return configurationDraftSchema.parse({
    id: randomUUID(),
    name: 'Secret clinic',
    scope: 'user',
    protocolConfiguration: { providerBundleIdentifier: echoProvider, serverAddress: null },
    ...changes,
  });
}

/** Saves as a uid whom somebody else lets, as with an administrator's password. */
async function saveAs(
  uid: number,
  one: ConfigurationDraft,
  expectedRevision: number | null = null,
): Promise<unknown> {
  const client = await rig.client(uid);
  rig.authority.answer(uid, 'yes', configure);
  const answer = await client.call('configurations.save', { configuration: one, expectedRevision });
  rig.authority.answer(uid, 'no', configure);
  client.close();
  expect(answer).toHaveProperty('result');
  return answer;
}

/** Waits until the session has a status, as root sees it. */
async function reaches(id: string, status: string): Promise<void> {
  const root = await rig.client();
  await vi.waitFor(async () => {
    expect(await root.call('events.subscribe')).toHaveProperty(
      'result.sessions',
      expect.arrayContaining([expect.objectContaining({ configurationId: id, status })]),
    );
  });
}

/** The names and payloads of a client's notifications, whose numbers have no gaps. */
function told(client: MemoryClient, since: number): unknown[] {
  const notes = client.received.slice(since).filter((one) => 'method' in one);
  const numbers = notes.map((one) => numbered.parse(one['params']).sequence);
  expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  return notes;
}

beforeEach(async () => {
  rig = await EndpointRig.open(directory.path);
  grantRole(rig.authority, alice, 'container');
  grantRole(rig.authority, bob, 'container');
  grantRole(rig.authority, admin, 'administrator');
  own = draft();
  await saveAs(alice, own);
});

describe('[M5] [E8] a user’s own configuration', () => {
  const methods = [
    'configurations.load',
    'session.start',
    'session.stop',
    'session.statistics',
    'session.lastDisconnectError',
    'session.sendProviderMessage',
  ] as const;

  it.each(methods)('answers %s of another user as one that never was', async (method) => {
    const client = await rig.client(bob);
    const rest = method === 'session.sendProviderMessage' ? { message: 'AA==', timeout: 1000 } : {};
    const nowhere = randomUUID();
    const foreign = JSON.stringify((await client.call(method, { id: own.id, ...rest })).error);
    const missing = JSON.stringify((await client.call(method, { id: nowhere, ...rest })).error);
    expect(foreign).toContain('configurationUnknown');
    expect(foreign).toBe(missing.replaceAll(nowhere, own.id));
  });

  it('is listed for its owner and for administrators, and comes by itself to its owner and root', async () => {
    const seen = await Promise.all(
      [alice, bob, admin, 0].map(async (uid) => {
        const client = await rig.client(uid);
        const [list, snapshot] = [
          await client.call('configurations.list'),
          await client.call('events.subscribe'),
        ];
        expect(list).toHaveProperty('result');
        expect(snapshot).toHaveProperty('result');
        return [list, snapshot].map((answer) => JSON.stringify(answer).includes(own.id));
      }),
    );
    expect(seen).toEqual([
      [true, true],
      [false, false],
      [true, false],
      [true, true],
    ]);
  });

  it('is used by its owner and by administrators', async () => {
    for (const uid of [alice, admin, 0]) {
      const client = await rig.client(uid);
      expect(await client.call('session.start', { id: own.id })).toHaveProperty('result');
      await reaches(own.id, 'connected');
      expect(await client.call('session.stop', { id: own.id })).toHaveProperty('result');
      await reaches(own.id, 'disconnected');
    }
  });

  it('is no longer there for an administrator who is one no more', async () => {
    const client = await rig.client(admin);
    expect(await client.call('configurations.load', { id: own.id })).toHaveProperty('result');
    rig.authority.answer(admin, 'no', configure);
    expect(await client.call('configurations.load', { id: own.id })).toHaveProperty(
      'error.data.code',
      'configurationUnknown',
    );
    expect(await client.call('configurations.list')).toEqual(
      expect.objectContaining({ result: { configurations: [] } }),
    );
  });

  it('keeps its owner when an administrator changes it', async () => {
    expect(await saveAs(bob, { ...own, name: 'Mended' }, 1)).toHaveProperty(
      'result.configuration.owner',
      alice,
    );
    const client = await rig.client(alice);
    expect(await client.call('configurations.load', { id: own.id })).toHaveProperty(
      'result.configuration.name',
      'Mended',
    );
  });

  it('shows others of its session only that it is there and holds an interface', async () => {
    const [owner, other, observer] = [
      await rig.client(alice),
      await rig.client(bob),
      await rig.client(stranger),
    ];
    const watchers = [owner, other, observer];
    for (const watcher of watchers) await watcher.call('events.subscribe');
    const since = watchers.map((watcher) => watcher.received.length);
    await owner.call('session.start', { id: own.id });
    await reaches(own.id, 'connected');
    const push = Buffer.from('!clinic').toString('base64');
    await owner.call('session.sendProviderMessage', { id: own.id, message: push, timeout: 1000 });
    await saveAs(bob, { ...own, name: 'Renamed clinic' }, 1);
    await owner.call('session.stop', { id: own.id });
    await reaches(own.id, 'disconnected');

    const [mine, ...others] = watchers.map((watcher, index) => told(watcher, since[index] ?? 0));
    expect(JSON.stringify(mine)).toContain('Renamed clinic');
    expect(JSON.stringify(mine)).toContain('userInitiated');
    for (const notes of others) {
      expect(notes.length).toBeGreaterThan(2);
      expect(JSON.stringify(notes)).not.toMatch(/clinic|userInitiated|providerMessage|displayMessage/);
      expect(JSON.stringify(notes)).toContain('"virtualInterface":{"name"');
      for (const note of notes) {
        expect(note).toMatchObject({
          method: 'sessions.changed',
          params: { session: { connectedDate: null, statusReason: null, lastEnd: null, instance: 0 } },
        });
      }
    }
  });

  it('comes and goes for others with its scope', async () => {
    const other = await rig.client(bob);
    await other.call('events.subscribe');
    const since = other.received.length;
    await saveAs(alice, { ...own, scope: 'system' }, 1);
    await saveAs(alice, { ...own, scope: 'user' }, 2);
    expect(told(other, since)).toMatchObject([
      { method: 'configurations.changed', params: { configuration: { id: own.id } } },
      { method: 'sessions.changed' },
      { method: 'configurations.changed', params: { id: own.id, configuration: null } },
    ]);
    expect(await other.call('configurations.load', { id: own.id })).toHaveProperty(
      'error.data.code',
      'configurationUnknown',
    );
  });

  it('is not stopped, nor named, for a tunnel of somebody who may not use it', async () => {
    const everything = { providerBundleIdentifier: echoProvider, serverAddress: 'everything' };
    await saveAs(alice, { ...own, ...draft({ id: own.id, protocolConfiguration: everything }) }, 1);
    const shared = draft({ name: 'Office', scope: 'system', protocolConfiguration: everything });
    await saveAs(alice, shared);
    const [owner, other] = [await rig.client(alice), await rig.client(bob)];
    await owner.call('session.start', { id: own.id });
    await reaches(own.id, 'connected');
    for (const supersede of [false, true]) {
      const { error } = await other.call('session.start', { id: shared.id, supersede });
      expect(error).toMatchObject({ data: { code: 'sessionConflict', details: { sessions: [] } } });
      expect(JSON.stringify(error)).not.toContain(own.name);
      expect(JSON.stringify(error)).not.toContain(own.id);
    }
    await reaches(own.id, 'connected');
    expect(await owner.call('session.start', { id: shared.id })).toMatchObject({
      error: { data: { details: { sessions: [{ id: own.id, name: own.name }] } } },
    });
    expect(await owner.call('session.start', { id: shared.id, supersede: true })).toHaveProperty('result');
    await reaches(shared.id, 'connected');
    await reaches(own.id, 'disconnected');
  });
});

describe('[E8] a client that was dropped', () => {
  it('begins with a snapshot that holds everything, and gets every later change', async () => {
    const slow = await rig.client(alice);
    await slow.call('events.subscribe');
    slow.reads = false;
    await saveAs(alice, draft({ name: 'Missed' }));
    await vi.waitFor(() => {
      expect(slow.closedBecause).toBe('queueFull');
    });
    const again = await rig.client(alice);
    const snapshot = await again.call('events.subscribe');
    expect(snapshot).toMatchObject({ result: { sequence: 0, configurations: [{}, { name: 'Missed' }] } });
    const since = again.received.length;
    await saveAs(alice, draft({ name: 'Later' }));
    expect(told(again, since).length).toBeGreaterThan(0);
  });
});

describe('[E8] others', () => {
  /** Calls everything that a container may, and an observer, about all that there is. */
  async function askEverything(client: MemoryClient): Promise<void> {
    await client.call('extension.list');
    await client.call('configurations.list');
    await client.call('events.subscribe');
    const shared = draft({ name: `Shared ${randomUUID()}`, scope: 'system' });
    await saveAs(alice, shared);
    for (const supersede of [false, true]) await client.call('session.start', { id: shared.id, supersede });
    for (const method of ['configurations.load', 'session.statistics', 'session.stop'])
      await client.call(method, { id: shared.id });
    await client.call('session.lastDisconnectError', { id: shared.id });
    await client.call('configurations.save', { configuration: draft(), expectedRevision: null });
    await client.call('log.read');
  }

  it('never learn the id of a private configuration that is idle', async () => {
    const [other, observer, mighty] = [
      await rig.client(bob),
      await rig.client(stranger),
      await rig.client(admin),
    ];
    for (const client of [other, observer]) await askEverything(client);
    await mighty.call('events.subscribe');
    const later = draft({ name: 'Later' });
    await saveAs(alice, later);
    await saveAs(alice, { ...later, name: 'Renamed', isEnabled: false }, 1);
    // One who gains what polkit gives, and loses it, learns no more.
    grantRole(rig.authority, stranger, 'container');
    await askEverything(observer);
    rig.authority.answer(stranger, 'no', use);
    rig.now += 10_000;
    await askEverything(observer);
    const owner = await rig.client(alice);
    rig.authority.answer(alice, 'yes', configure);
    expect(await owner.call('configurations.remove', { id: later.id })).toHaveProperty('result');
    for (const client of [other, observer, mighty]) {
      const everything = JSON.stringify(client.received);
      expect(everything).not.toContain(own.id);
      expect(everything).not.toContain(later.id);
    }
  });

  it('see of a private session that it runs and ends, and nothing after that', async () => {
    const [owner, other] = [await rig.client(alice), await rig.client(bob)];
    await other.call('events.subscribe');
    const since = other.received.length;
    await owner.call('session.start', { id: own.id });
    await reaches(own.id, 'connected');
    const late = await rig.client(bob);
    expect(await late.call('events.subscribe')).toMatchObject({
      result: {
        configurations: [],
        sessions: [{ configurationId: own.id, status: 'connected', instance: 0 }],
      },
    });
    await owner.call('session.stop', { id: own.id });
    await reaches(own.id, 'disconnected');
    const notes = told(other, since);
    expect(notes.at(-1)).toMatchObject({
      method: 'sessions.changed',
      params: { session: { configurationId: own.id, status: 'disconnected', virtualInterface: null } },
    });
    expect(late.notifications('sessions.changed').at(-1)).toMatchObject({
      session: { configurationId: own.id, status: 'disconnected' },
    });
    await saveAs(alice, { ...own, isEnabled: false }, 1);
    rig.authority.answer(alice, 'yes', configure);
    await owner.call('configurations.remove', { id: own.id });
    expect(told(other, since)).toHaveLength(notes.length);
    expect(JSON.stringify(await (await rig.client(bob)).call('events.subscribe'))).not.toContain(own.id);
  });

  it('of whom a running session goes with its configuration are told only that it ended', async () => {
    const [owner, other] = [await rig.client(alice), await rig.client(bob)];
    await other.call('events.subscribe');
    const since = other.received.length;
    await owner.call('session.start', { id: own.id });
    await reaches(own.id, 'connected');
    rig.authority.answer(alice, 'yes', configure);
    expect(await owner.call('configurations.remove', { id: own.id })).toHaveProperty('result');
    const notes = told(other, since);
    expect(other.notifications('configurations.changed')).toEqual([]);
    expect(notes.at(-1)).toMatchObject({ params: { session: { status: 'disconnected', lastEnd: null } } });
  });

  it('see a running session whole, or no longer, when its scope changes', async () => {
    const [owner, other] = [await rig.client(alice), await rig.client(bob)];
    await other.call('events.subscribe');
    await owner.call('session.start', { id: own.id });
    await reaches(own.id, 'connected');
    const [since, before] = [other.received.length, other.notifications('sessions.changed').length];
    await saveAs(alice, { ...own, scope: 'system' }, 1);
    await saveAs(alice, { ...own, scope: 'user' }, 2);
    expect(other.received.slice(since).map((one) => one['method'])).toEqual([
      'configurations.changed',
      'sessions.changed',
      'configurations.changed',
      'sessions.changed',
    ]);
    expect(other.notifications('sessions.changed').slice(before)).toMatchObject([
      { session: { status: 'connected', instance: 1 } },
      { session: { status: 'connected', instance: 0 } },
    ]);
  });

  it('cost the authority as many questions whether something is hidden from them or not', async () => {
    const shared = draft({ name: 'Office', scope: 'system' });
    await saveAs(alice, shared);
    const questions = async (): Promise<unknown[]> => {
      const client = await rig.client(bob);
      const before = rig.authority.asked.length;
      await client.call('configurations.list');
      await client.call('configurations.load', { id: shared.id });
      await client.call('session.start', { id: shared.id });
      await client.call('events.subscribe');
      return rig.authority.asked.slice(before).map(({ actionId }) => actionId);
    };
    const hidden = await questions();
    rig.authority.answer(alice, 'yes', configure);
    await (await rig.client(alice)).call('configurations.remove', { id: own.id });
    expect(await questions()).toEqual(hidden);
  });
});

describe('the role that notifications go by', () => {
  it('[E8] brings what was missed when it rises, and takes it back when it falls', async () => {
    const mine = draft({ name: 'Mine' });
    await saveAs(stranger, mine);
    const shared = draft({ name: 'Office', scope: 'system' });
    await saveAs(alice, shared);
    const client = await rig.client(stranger);
    expect(await client.call('events.subscribe')).toMatchObject({ result: { configurations: [] } });
    await (await rig.client()).call('session.start', { id: shared.id });
    await reaches(shared.id, 'connected');
    let since = client.received.length;
    const next = (): unknown[] => {
      const notes = client.received.slice(since).filter((one) => 'method' in one);
      since = client.received.length;
      return notes;
    };

    grantRole(rig.authority, stranger, 'container');
    await client.call('configurations.list');
    const risen = next();
    expect(risen).toHaveLength(4);
    expect(risen).toMatchObject([
      { method: 'configurations.changed', params: { id: mine.id, configuration: { name: 'Mine' } } },
      { method: 'configurations.changed', params: { id: shared.id, configuration: { name: 'Office' } } },
      { method: 'sessions.changed', params: { session: { configurationId: mine.id } } },
      { method: 'sessions.changed', params: { session: { configurationId: shared.id, instance: 1 } } },
    ]);
    await saveAs(alice, draft({ name: 'Garage', scope: 'system' }));
    expect(JSON.stringify(next())).toContain('Garage');

    rig.authority.answer(stranger, 'no', use);
    rig.now += 10_000;
    expect(await client.call('configurations.list')).toHaveProperty('error.data.code', 'accessDenied');
    const fallen = next();
    const taken = fallen.filter((note) => JSON.stringify(note).includes('configurations.changed'));
    expect(taken).toHaveLength(3);
    for (const note of taken) expect(note).toMatchObject({ params: { configuration: null } });
    const redacted = fallen.filter((note) => JSON.stringify(note).includes('sessions.changed'));
    expect(fallen).toEqual([...taken, ...redacted]);
    expect(redacted).toHaveLength(3);
    for (const note of redacted) {
      expect(note).toMatchObject({
        params: { session: { instance: 0, connectedDate: null, lastEnd: null } },
      });
    }
    expect(JSON.stringify(redacted)).not.toMatch(/Office|Mine|Garage/);
    await saveAs(alice, draft({ name: 'Cellar', scope: 'system' }));
    expect(JSON.stringify(client.received)).not.toContain('Cellar');
    told(
      client,
      client.received.findIndex((one) => 'method' in one),
    );
  });

  it('shows no administrator but root what is another user’s', async () => {
    const client = await rig.client(admin);
    await client.call('events.subscribe');
    for (const method of ['configurations.load', 'session.start'] as const) {
      expect(await client.call(method, { id: own.id })).toHaveProperty('result');
    }
    await reaches(own.id, 'connected');
    await saveAs(alice, { ...own, name: 'Renamed clinic' }, 1);
    expect(client.notifications('configurations.changed')).toEqual([]);
    expect(JSON.stringify(client.notifications('sessions.changed'))).toContain('"instance":0');
    expect(JSON.stringify(client.notifications('sessions.changed'))).not.toContain('"instance":1');
  });
});
