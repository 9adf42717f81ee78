import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EndpointConnection } from './endpoint-connection.ts';
import { ReconnectingClient } from './reconnecting-client.ts';
import { FakeHelper } from './testing/fake-helper.ts';
import { sampleDraft } from './testing/sample-draft.ts';

let helper: FakeHelper;
let client: ReconnectingClient;
let seen: string[];

beforeEach(async () => {
  helper = await FakeHelper.start();
  seen = [];
  client = new ReconnectingClient({
    connect: (receiver) =>
      EndpointConnection.open({
        path: helper.endpoint.path,
        client: { name: 'test', version: '1' },
        receiver,
      }),
    random: () => 0,
  });
  client.on('connected', () => seen.push('connected'));
  client.on('disconnected', (error) =>
    seen.push(`disconnected ${'code' in error ? String(error.code) : ''}`),
  );
  client.on('snapshot', ({ sequence, sessions }) =>
    seen.push(`snapshot ${String(sequence)} (${String(sessions.length)})`),
  );
  client.on('sessionChanged', ({ status }) => seen.push(status));
  client.on('configurationChanged', (_id, configuration) => seen.push(configuration?.name ?? 'removed'));
  client.on('displayMessage', (_id, text) => seen.push(`says ${text}`));
});
afterEach(async () => {
  client.close();
  await helper.close();
});

async function connected(): Promise<void> {
  client.start();
  await client.ready();
}

describe('events', () => {
  it('[E8] begin with a snapshot and go on in order', async () => {
    await connected();
    const draft = sampleDraft('Home');
    await client.call('configurations.save', { configuration: draft, expectedRevision: null });
    await client.call('session.start', { id: draft.id });
    await vi.waitFor(() => {
      expect(client.session(draft.id)?.status).toBe('connected');
    });
    expect(seen).toEqual(['connected', 'snapshot 0 (0)', 'Home', 'disconnected', 'connecting', 'connected']);
    expect(client.configuration(draft.id)?.name).toBe('Home');
    expect(client.configurations).toHaveLength(1);
  });

  it('forget a configuration that was removed, and its session', async () => {
    await connected();
    const draft = sampleDraft('Home');
    await client.call('configurations.save', { configuration: draft, expectedRevision: null });
    await client.call('configurations.remove', { id: draft.id });
    await vi.waitFor(() => {
      expect(seen.at(-1)).toBe('removed');
    });
    expect(client.session(draft.id)).toBeUndefined();
  });

  it('carry the bytes of a provider and the text for a person', async () => {
    const messages: number[][] = [];
    client.on('providerMessage', (_id, bytes) => messages.push([...bytes]));
    await connected();
    const id = randomUUID();
    helper.pushProviderMessage(id, new Uint8Array([0, 255, 10]));
    helper.display(id, 'hello');
    await vi.waitFor(() => {
      expect(seen.at(-1)).toBe('says hello');
    });
    expect(messages).toEqual([[0, 255, 10]]);
  });

  it('[E8] begin again with a snapshot after a gap in the sequence', async () => {
    await connected();
    const id = randomUUID();
    helper.setSession(id, { status: 'connecting' });
    helper.sequence += 1;
    helper.setSession(id, { status: 'connected' });
    helper.display(id, 'after');
    await vi.waitFor(() => {
      expect(seen).toContain('snapshot 4 (1)');
    });
    expect(seen).toEqual(['connected', 'snapshot 0 (0)', 'connecting', 'snapshot 4 (1)']);
    expect(client.session(id)?.status).toBe('connected');
    helper.display(id, 'later');
    await vi.waitFor(() => {
      expect(seen.at(-1)).toBe('says later');
    });
  });

  it('do not stop when a listener throws', async () => {
    const thrown = new Promise<unknown>((resolve) => {
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.once('uncaughtException', (error) => {
        for (const listener of listeners) process.on('uncaughtException', listener);
        resolve(error);
      });
    });
    client.on('snapshot', () => {
      throw new Error('a mistake of the app');
    });
    client.on('snapshot', () => seen.push('second listener'));
    await connected();
    expect(seen).toEqual(['connected', 'snapshot 0 (0)', 'second listener']);
    expect(await thrown).toMatchObject({ message: 'a mistake of the app' });
  });
});

describe('a loss', () => {
  it('is told once, and ends with a new snapshot', async () => {
    await connected();
    await helper.endpoint.pause();
    await vi.waitFor(() => {
      expect(seen).toContain('disconnected notReachable');
    });
    expect(client.isConnected).toBe(false);
    const id = randomUUID();
    helper.setSession(id, { status: 'connected' });
    await helper.endpoint.resume();
    await vi.waitFor(() => {
      expect(client.session(id)?.status).toBe('connected');
    }, 3000);
    expect(seen).toEqual([
      'connected',
      'snapshot 0 (0)',
      'disconnected connectionClosed',
      'disconnected notReachable',
      'connected',
      'snapshot 1 (1)',
    ]);
  });

  it('rejects requests made meanwhile with its reason', async () => {
    await helper.endpoint.pause();
    client.start();
    await expect(client.ready()).rejects.toMatchObject({ code: 'notReachable' });
    await expect(client.call('extension.list', {})).rejects.toMatchObject({ code: 'notReachable' });
  });

  it('is none when the client connects anew by itself', async () => {
    await connected();
    client.reopen();
    await vi.waitFor(() => {
      expect(seen).toEqual(['connected', 'snapshot 0 (0)', 'connected', 'snapshot 0 (0)']);
    });
  });

  it('ends at once with retryNow', async () => {
    await helper.endpoint.pause();
    client.start();
    await expect(client.ready()).rejects.toMatchObject({ code: 'notReachable' });
    await helper.endpoint.resume();
    client.retryNow();
    await client.ready();
    expect(client.isConnected).toBe(true);
  });
});

it('makes requests only between start and close', async () => {
  await expect(client.call('extension.list', {})).rejects.toMatchObject({ code: 'connectionClosed' });
  await connected();
  client.close();
  await vi.waitFor(() => {
    expect(client.isConnected).toBe(false);
  });
  await expect(client.call('extension.list', {})).rejects.toMatchObject({ code: 'connectionClosed' });
  expect(seen).toEqual(['connected', 'snapshot 0 (0)']);
});
