import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { VPNError } from '../protocol/errors.ts';
import type { ReconnectingClient } from './reconnecting-client.ts';
import { connectClient, type ConnectedClient } from './testing/connected-client.ts';
import { serverNotResponding, type FakeHelper } from './testing/fake-helper.ts';
import { sampleDraft } from './testing/sample-draft.ts';
import { TunnelProviderManager } from './tunnel-provider-manager.ts';

let connected: ConnectedClient;
let helper: FakeHelper;
let client: ReconnectingClient;

beforeEach(async () => {
  connected = await connectClient();
  ({ helper, client } = connected);
});
afterEach(() => connected[Symbol.asyncDispose]());

function newManager(name = 'Home'): TunnelProviderManager {
  const manager = new TunnelProviderManager(client);
  manager.name = name;
  manager.protocolConfiguration = sampleDraft(name).protocolConfiguration;
  return manager;
}

async function savedManager(name = 'Home'): Promise<TunnelProviderManager> {
  const manager = newManager(name);
  await manager.save();
  return manager;
}

/** What a promise was rejected with, listened to at once. */
function settled(promise: Promise<void>): Promise<unknown> {
  return promise.then(
    () => 'resolved',
    (error: unknown) => error,
  );
}

describe('a manager', () => {
  it.each<[string, (manager: TunnelProviderManager) => unknown]>([
    ['remove', (manager) => manager.remove()],
    ['revision', (manager) => Promise.resolve().then(() => manager.revision)],
    ['session.start', (manager) => manager.session.start()],
    ['session.stop', (manager) => manager.session.stop()],
    ['session.statistics', (manager) => manager.session.statistics()],
    ['session.lastDisconnectError', (manager) => manager.session.lastDisconnectError()],
    ['session.sendProviderMessage', (manager) => manager.session.sendProviderMessage(new Uint8Array(1))],
  ])('[M1] refuses %s before its first load or save', async (_title, act) => {
    helper.endpoint.requests.length = 0;
    await expect(act(newManager())).rejects.toMatchObject({
      domain: 'VPNError',
      code: 'configurationInvalid',
    });
    expect(helper.endpoint.requests).toEqual([]);
  });

  it('[M2] is current after save, and can start at once', async () => {
    const manager = newManager();
    expect(await manager.save()).toBe(1);
    await manager.session.start();
    manager.name = 'Home again';
    expect(await manager.save()).toBe(2);
    expect(manager.revision).toBe(2);
    expect(helper.configurations.get(manager.id)?.name).toBe('Home again');
  });

  it('[M2] that was overtaken fails with both revisions and changes nothing', async () => {
    const mine = await savedManager();
    const [theirs] = await TunnelProviderManager.loadAll(client);
    if (theirs === undefined) throw new Error('nothing was stored');
    theirs.name = 'Theirs';
    await theirs.save();
    mine.name = 'Mine';
    await expect(mine.save()).rejects.toMatchObject({
      domain: 'VPNError',
      code: 'configurationStale',
      details: { expectedRevision: 1, storedRevision: 2 },
    });
    expect(helper.configurations.get(mine.id)?.name).toBe('Theirs');
    await mine.load();
    expect(mine.name).toBe('Theirs');
    mine.name = 'Mine';
    expect(await mine.save()).toBe(3);
  });

  it.each<[string, (manager: TunnelProviderManager) => void]>([
    ['no name', (manager) => (manager.name = '')],
    ['a name with a slash', (manager) => (manager.name = '../etc')],
    ['no protocol', (manager) => (manager.protocolConfiguration = null)],
    ['a reference that is none', (manager) => (manager.secretReferences = ['../../etc/shadow'])],
  ])('[M1] with %s is not sent', async (_title, spoil) => {
    const manager = newManager();
    spoil(manager);
    helper.endpoint.requests.length = 0;
    await expect(manager.save()).rejects.toThrow(VPNError);
    await expect(manager.save()).rejects.toMatchObject({ code: 'configurationInvalid' });
    expect(helper.endpoint.requests).toEqual([]);
  });

  it('sends secrets along, which are nowhere in the configuration', async () => {
    const reference = '6fa0ee0c-6f4e-4d5b-a5b4-5f3f5a1f2d11';
    const manager = newManager();
    manager.secretReferences = [reference];
    await manager.save({ secrets: new Map([[reference, new Uint8Array([1, 2, 3])]]) });
    expect(helper.secrets.get(reference)).toBe('AQID');
    expect(JSON.stringify(helper.configurations.get(manager.id))).not.toContain('AQID');
  });

  it('[M6] stops its session when it is removed, and is then as before its first save', async () => {
    const manager = await savedManager();
    await manager.session.start();
    const statuses: string[] = [];
    manager.session.on('statusChanged', (status) => statuses.push(status));
    await manager.remove();
    await vi.waitFor(() => {
      expect(statuses).toEqual(['disconnected', 'invalid']);
    });
    await expect(manager.session.start()).rejects.toMatchObject({ code: 'configurationInvalid' });
    await expect(manager.load()).rejects.toMatchObject({ code: 'configurationUnknown' });
  });

  it('lists what is stored, also nothing', async () => {
    expect(await TunnelProviderManager.loadAll(client)).toEqual([]);
    await savedManager('A');
    await savedManager('B');
    const names = (await TunnelProviderManager.loadAll(client)).map(({ name }) => name);
    expect(names.sort()).toEqual(['A', 'B']);
  });
});

describe('start', () => {
  it('resolves at connected, and tells every status', async () => {
    const { session } = await savedManager();
    const statuses: string[] = [];
    session.on('statusChanged', (status) => statuses.push(status));
    expect(session.connectedDate).toBeNull();
    await session.start();
    expect(session.status).toBe('connected');
    expect(session.connectedDate).toBeInstanceOf(Date);
    expect(statuses).toEqual(['connecting', 'connected']);
    await session.start();
  });

  it('returns once begun with wait: false', async () => {
    helper.startPlan = { kind: 'hang' };
    const { session } = await savedManager();
    await session.start(null, { wait: false });
    expect(session.status).toBe('connecting');
  });

  it('rejects with the reason when the start fails, also a second time', async () => {
    helper.startPlan = { kind: 'fail', error: serverNotResponding() };
    const { session } = await savedManager();
    const reason = { domain: 'ConnectionError', code: 'serverNotResponding', number: 6 };
    await expect(session.start()).rejects.toMatchObject(reason);
    await new Promise((resolve) => setTimeout(resolve, 2));
    await expect(session.start()).rejects.toMatchObject(reason);
    expect(await session.lastDisconnectError()).toMatchObject(reason);
    expect(await session.lastStopReason()).toBe('connectionFailed');
  });

  it('waits through the attempts of retry until its time is over, and names the last failure', async () => {
    helper.startPlan = { kind: 'fail', error: serverNotResponding(), retryIn: 60_000 };
    const { session } = await savedManager();
    await expect(session.start(null, { timeout: 50 })).rejects.toMatchObject({
      domain: 'EndpointError',
      code: 'timedOut',
      cause: { code: 'serverNotResponding' },
    });
  });

  it('rejects when someone disconnects, or removes, meanwhile', async () => {
    helper.startPlan = { kind: 'hang' };
    const manager = await savedManager();
    const disconnected = settled(manager.session.start());
    await vi.waitFor(() => {
      expect(manager.session.status).toBe('connecting');
    });
    await client.call('session.stop', { id: manager.id });
    expect(await disconnected).toMatchObject({ domain: 'VPNError', code: 'connectionFailed' });
    const removed = settled(manager.session.start());
    await vi.waitFor(() => {
      expect(manager.session.status).toBe('connecting');
    });
    await client.call('configurations.remove', { id: manager.id });
    expect(await removed).toMatchObject({ code: 'configurationUnknown' });
  });

  it('survives a restart of the helper', async () => {
    helper.startPlan = { kind: 'hang' };
    const { session } = await savedManager();
    const started = session.start();
    await vi.waitFor(() => {
      expect(session.status).toBe('connecting');
    });
    await helper.endpoint.pause();
    await helper.endpoint.resume();
    helper.setSession(session.configurationId, { status: 'connected', connectedDate: Date.now() });
    await started;
  });

  it('ends the wait, not the session, when it is aborted', async () => {
    helper.startPlan = { kind: 'hang' };
    const { session } = await savedManager();
    const controller = new AbortController();
    const started = session.start(null, { signal: controller.signal });
    await vi.waitFor(() => {
      expect(session.status).toBe('connecting');
    });
    controller.abort(new Error('not now'));
    await expect(started).rejects.toThrow('not now');
    expect(session.status).toBe('connecting');
  });

  it('of a disabled configuration fails with configurationDisabled', async () => {
    const manager = newManager();
    manager.isEnabled = false;
    await manager.save();
    await expect(manager.session.start()).rejects.toMatchObject({ code: 'configurationDisabled', number: 2 });
  });
});

describe('a session', () => {
  it('stops, waiting until it is down, and once more without complaint', async () => {
    const { session } = await savedManager();
    await session.start();
    await session.stop();
    expect(session.status).toBe('disconnected');
    await session.stop();
    expect(await session.lastDisconnectError()).toBeNull();
    expect(await session.lastStopReason()).toBe('userInitiated');
  });

  it('[E7] carries opaque bytes to the provider and back', async () => {
    const { session } = await savedManager();
    const message = new Uint8Array([0, 1, 254, 255]);
    await expect(session.sendProviderMessage(message)).rejects.toMatchObject({
      domain: 'ProviderError',
      code: 'sessionNotRunning',
    });
    await session.start();
    expect(await session.sendProviderMessage(message)).toEqual(message);
  });

  it('[E7] hears what the provider sends of its own accord, only its own', async () => {
    const one = await savedManager('One');
    const other = await savedManager('Other');
    const heard: number[][] = [];
    const stop = one.session.on('providerMessage', (bytes) => heard.push([...bytes]));
    helper.pushProviderMessage(other.id, new Uint8Array([9]));
    helper.pushProviderMessage(one.id, new Uint8Array([1]));
    await vi.waitFor(() => {
      expect(heard).toEqual([[1]]);
    });
    stop();
    helper.pushProviderMessage(one.id, new Uint8Array([2]));
    await client.call('log.read', {});
    expect(heard).toEqual([[1]]);
  });
});
