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

async function statusOf(client: MemoryClient, id: string, status: string): Promise<void> {
  await vi.waitFor(async () => {
    expect(await client.call('events.subscribe')).toHaveProperty(
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

  it('is listed for its owner and for administrators', async () => {
    const seen = await Promise.all(
      [alice, bob, admin, 0].map(async (uid) => {
        const client = await rig.client(uid);
        const [list, snapshot] = [
          await client.call('configurations.list'),
          await client.call('events.subscribe'),
        ];
        expect(list).toHaveProperty('result');
        const count = (answer: unknown): boolean => JSON.stringify(answer).includes(own.name);
        expect(count(list)).toBe(count(snapshot));
        return count(list);
      }),
    );
    expect(seen).toEqual([true, false, true, true]);
  });

  it('is used by its owner and by administrators', async () => {
    for (const uid of [alice, admin, 0]) {
      const client = await rig.client(uid);
      expect(await client.call('session.start', { id: own.id })).toHaveProperty('result');
      await statusOf(client, own.id, 'connected');
      expect(await client.call('session.stop', { id: own.id })).toHaveProperty('result');
      await statusOf(client, own.id, 'disconnected');
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
    await statusOf(await rig.client(), own.id, 'connected');
    const push = Buffer.from('!clinic').toString('base64');
    await owner.call('session.sendProviderMessage', { id: own.id, message: push, timeout: 1000 });
    await saveAs(bob, { ...own, name: 'Renamed clinic' }, 1);
    await owner.call('session.stop', { id: own.id });
    await statusOf(await rig.client(), own.id, 'disconnected');

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
      { method: 'sessions.changed' },
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
    await statusOf(owner, own.id, 'connected');
    for (const supersede of [false, true]) {
      const { error } = await other.call('session.start', { id: shared.id, supersede });
      expect(error).toMatchObject({ data: { code: 'sessionConflict', details: { sessions: [] } } });
      expect(JSON.stringify(error)).not.toContain(own.name);
      expect(JSON.stringify(error)).not.toContain(own.id);
    }
    await statusOf(owner, own.id, 'connected');
    expect(await owner.call('session.start', { id: shared.id })).toMatchObject({
      error: { data: { details: { sessions: [{ id: own.id, name: own.name }] } } },
    });
    expect(await owner.call('session.start', { id: shared.id, supersede: true })).toHaveProperty('result');
    await statusOf(owner, shared.id, 'connected');
    await statusOf(owner, own.id, 'disconnected');
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

describe('the role that notifications go by', () => {
  it('follows what polkit said last', async () => {
    const client = await rig.client(stranger);
    await saveAs(alice, draft({ name: 'Office', scope: 'system' }));
    expect(await client.call('events.subscribe')).toMatchObject({ result: { configurations: [] } });
    grantRole(rig.authority, stranger, 'container');
    await client.call('configurations.list');
    await saveAs(alice, draft({ name: 'Garage', scope: 'system' }));
    expect(JSON.stringify(client.notifications('configurations.changed'))).toContain('Garage');
    rig.authority.answer(stranger, 'no', 'org.sallyport.helper.use');
    rig.now += 10_000;
    expect(await client.call('configurations.list')).toHaveProperty('error.data.code', 'accessDenied');
    await saveAs(alice, draft({ name: 'Cellar', scope: 'system' }));
    expect(JSON.stringify(client.received)).not.toContain('Cellar');
  });
});
