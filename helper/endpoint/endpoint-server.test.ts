import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Role } from '@sallyport/shared/protocol/authorization.ts';
import { ConnectionError } from '@sallyport/shared/protocol/errors.ts';
import { maximumFrameBytes } from '@sallyport/shared/protocol/limits.ts';
import { messageToClientSchema } from '@sallyport/shared/protocol/messages.ts';
import type { SessionSnapshot } from '@sallyport/shared/protocol/session.ts';
import { MemoryAuthority } from '../testing/memory-authority.ts';
import { MemoryListener } from '../testing/memory-listener.ts';
import type { CallerRequirement } from './caller.ts';
import type { MethodHandlers } from './dispatch.ts';
import { EndpointServer } from './endpoint-server.ts';
import { Subscriptions } from './subscriptions.ts';

const id = '0b0e7f1c-7f66-4d5e-9a1b-5c27f0e3a001';
const requirement: CallerRequirement = { executables: [], developerUid: null };

let listener: MemoryListener;
let server: EndpointServer;
let authority: MemoryAuthority;
let subscriptions: Subscriptions;
let closed: number[];
/** Roles that notifications went by, as they changed. */
let roles: (Role | null)[];
let log: string[];
let now: number;
let signals: AbortSignal[];
/** Whether something changes in the very turn in which a snapshot is taken. */
let changesWithSnapshot: boolean;
let handlers: MethodHandlers;

function unexpected(): never {
  throw new Error('This method has no part in the test.');
}

function session(instance: number): SessionSnapshot {
  return {
    configurationId: id,
    status: 'connected',
    connectedDate: 1,
    statusReason: null,
    nextAttemptDate: null,
    instance,
    virtualInterface: null,
    lastEnd: null,
  };
}

function publish(instance: number): void {
  for (const connection of listener.clients.keys()) {
    subscriptions.publish(connection, 'sessions.changed', (sequence) => ({
      sequence,
      session: session(instance),
    }));
  }
}

/** Lets everything that is under way happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

beforeEach(() => {
  listener = new MemoryListener();
  closed = [];
  roles = [];
  log = [];
  now = 0;
  signals = [];
  changesWithSnapshot = false;
  subscriptions = new Subscriptions((connection, name, params) => {
    server.notify(connection, name, params);
  });
  handlers = {
    hello: (_request, caller) => ({
      protocol: 1,
      role: caller.role,
      extension: { identifier: 'com.example', version: '1.0.0', build: '1' },
      developerMode: false,
      pid: 1,
    }),
    'extension.list': () => ({ extensions: [] }),
    'events.subscribe': (_request, caller) => {
      const snapshot = {
        sequence: subscriptions.subscribe(caller.connection),
        configurations: [],
        sessions: [],
      };
      if (changesWithSnapshot) publish(0);
      return snapshot;
    },
    'configurations.list': unexpected,
    'configurations.load': () => {
      throw new ConnectionError('serverNotResponding', 'It does not answer.', { details: { tries: 3 } });
    },
    'configurations.save': unexpected,
    'configurations.remove': unexpected,
    'keychain.importIdentity': unexpected,
    'session.start': () => {
      throw new TypeError('a mistake of ours');
    },
    'session.stop': unexpected,
    'session.statistics': unexpected,
    'session.lastDisconnectError': unexpected,
    'session.sendProviderMessage': (_request, _caller, signal) => {
      signals.push(signal);
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          resolve({ reply: null });
        });
      });
    },
    'log.read': () => ({
      entries: Array.from({ length: 300 }, (_, sequence) => ({
        time: 0,
        sequence,
        level: 'info' as const,
        category: 'test',
        message: 'x'.repeat(4000),
      })),
    }),
  };
  authority = new MemoryAuthority();
  server = new EndpointServer({
    requirement,
    files: { inspect: () => Promise.resolve(null) },
    authority,
    extensionIdentifier: 'com.example',
    handlers,
    log: (level, message) => log.push(`${level} ${message}`),
    onRoleChanged: (connection) => roles.push(server.viewer(connection)?.role ?? null),
    onClosed: (connection) => {
      closed.push(connection);
      subscriptions.unsubscribe(connection);
    },
    now: () => now,
  });
  server.start(listener.listen);
});

describe('the first request', () => {
  it('must be hello', async () => {
    const client = listener.connect();
    expect(await client.call('extension.list')).toMatchObject({
      error: { data: { domain: 'EndpointError', code: 'invalidParameters', message: /hello/ } },
    });
    expect(await client.hello()).toMatchObject({ role: 'administrator' });
    expect(await client.call('extension.list')).toMatchObject({ result: { extensions: [] } });
  });

  it('may be followed by others before its answer', async () => {
    const client = listener.connect();
    const greeting = client.send('hello', {
      protocol: { oldest: 1, newest: 1 },
      client: { name: 'test', version: '1' },
    });
    const list = client.send('extension.list');
    expect(await client.answer(greeting)).toHaveProperty('result.protocol', 1);
    expect(await client.answer(list)).toHaveProperty('result.extensions', []);
  });

  it('does not count when it fails', async () => {
    const client = listener.connect();
    expect(await client.call('hello', { protocol: 1 })).toHaveProperty(
      'error.data.code',
      'invalidParameters',
    );
    expect(await client.call('extension.list')).toHaveProperty('error.data.code', 'invalidParameters');
  });
});

describe('an unverified caller', () => {
  it('[E2] gets one typed error and is closed, and is logged', async () => {
    const client = listener.connect({ uid: 1000, samePidNamespace: false });
    expect(client.closedBecause).toBe('refused');
    expect(client.received).toEqual([
      {
        jsonrpc: '2.0',
        id: null,
        error: {
          code: -32000,
          message: 'The helper does not accept this program: it runs in another namespace.',
          data: {
            domain: 'EndpointError',
            code: 'accessDenied',
            number: 2,
            message: 'The helper does not accept this program: it runs in another namespace.',
          },
        },
      },
    ]);
    expect(log).toEqual(['warning A caller was refused: it runs in another namespace.']);
    client.send('hello', { protocol: { oldest: 1, newest: 1 }, client: { name: 'x', version: '1' } });
    await settle();
    expect(client.received).toHaveLength(1);
    expect(closed).toEqual([]);
  });

  it('[E3] is what the kernel says, never what it says itself', async () => {
    const client = listener.connect({ uid: 1000 });
    expect(await client.hello()).toMatchObject({ role: 'observer' });
    expect(await client.call('session.stop', { id })).toHaveProperty('error.data.code', 'accessDenied');
    expect(await client.call('hello', { role: 'administrator' })).toHaveProperty(
      'error.data.code',
      'invalidParameters',
    );
  });
});

describe('answers', () => {
  it('carry the typed error of a handler', async () => {
    const client = listener.connect();
    await client.hello();
    const answer = await client.call('configurations.load', { id });
    expect(messageToClientSchema.parse(answer)).toMatchObject({
      error: {
        code: -32000,
        message: 'It does not answer.',
        data: {
          domain: 'ConnectionError',
          code: 'serverNotResponding',
          number: 6,
          message: 'It does not answer.',
          details: { tries: 3 },
        },
      },
    });
    expect(log.filter((line) => line.startsWith('error'))).toEqual([]);
  });

  it('carry an error that nobody expected without its stack, which is logged', async () => {
    const client = listener.connect();
    await client.hello();
    const answer = await client.call('session.start', { id });
    expect(answer).toHaveProperty('error.data', {
      domain: 'TypeError',
      code: 'error',
      number: 0,
      message: 'a mistake of ours',
    });
    expect(log).toContain('error The request session.start failed unexpectedly.');
  });

  it('that are too large for a frame become an error', async () => {
    const client = listener.connect();
    await client.hello();
    const answer = await client.call('log.read');
    expect(answer).toHaveProperty('error.data.code', 'frameTooLarge');
    expect(JSON.stringify(answer).length).toBeLessThan(maximumFrameBytes);
    expect(await client.call('extension.list')).toHaveProperty('result');
  });
});

describe('cancellation', () => {
  const message = { id, message: '', timeout: 1000 };

  it('reaches the handler', async () => {
    const client = listener.connect();
    await client.hello();
    const request = client.send('session.sendProviderMessage', message);
    await settle();
    expect(signals[0]?.aborted).toBe(false);
    client.sendRaw({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: request } });
    expect(await client.answer(request)).toHaveProperty('result.reply', null);
    expect(signals[0]?.aborted).toBe(true);
  });

  it('of a request that is not there does nothing', async () => {
    const client = listener.connect();
    await client.hello();
    client.sendRaw({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 99 } });
    expect(await client.call('extension.list')).toHaveProperty('result');
  });

  it('comes with the end of the connection, and the late answer goes nowhere', async () => {
    const client = listener.connect();
    await client.hello();
    client.send('session.sendProviderMessage', message);
    await settle();
    const received = client.received.length;
    client.close();
    await settle();
    expect(signals[0]?.aborted).toBe(true);
    expect(client.received).toHaveLength(received);
    expect(log.filter((line) => /^(error|warning)/.test(line))).toEqual([]);
  });
});

describe('notifications', () => {
  it('[E8] bring every client every change, in order, numbered without gaps after its snapshot', async () => {
    const clients = [listener.connect(), listener.connect({ uid: 1000 }), listener.connect()];
    for (const client of clients) await client.hello();
    for (const [index, client] of clients.entries()) {
      await client.call('events.subscribe');
      publish(2 * index);
      publish(2 * index + 1);
    }
    await settle();
    for (const [index, client] of clients.entries()) {
      const instances = [0, 1, 2, 3, 4, 5].slice(2 * index);
      expect(client.notifications('sessions.changed')).toEqual(
        instances.map((instance, number) => ({ sequence: number + 1, session: session(instance) })),
      );
    }
  });

  it('[E8] come after the snapshot, even those of the same turn', async () => {
    changesWithSnapshot = true;
    const client = listener.connect();
    await client.hello();
    const request = client.send('events.subscribe');
    await settle();
    expect(client.received.slice(1)).toEqual([
      { jsonrpc: '2.0', id: request, result: { sequence: 0, configurations: [], sessions: [] } },
      { jsonrpc: '2.0', method: 'sessions.changed', params: { sequence: 1, session: session(0) } },
    ]);
  });

  it('[E8] of an old subscription never follow the snapshot of a new one', async () => {
    const client = listener.connect();
    await client.hello();
    subscriptions.subscribe(1);
    publish(1);
    subscriptions.subscribe(1);
    publish(2);
    await settle();
    expect(client.notifications('sessions.changed')).toEqual([{ sequence: 1, session: session(2) }]);
  });

  it('are for subscribers only', async () => {
    const [subscriber, stranger] = [listener.connect(), listener.connect()];
    for (const client of [subscriber, stranger]) await client.hello();
    await subscriber.call('events.subscribe');
    publish(1);
    await settle();
    expect(subscriber.notifications('sessions.changed')).toEqual([{ sequence: 1, session: session(1) }]);
    expect(stranger.received).toHaveLength(1);
  });

  it('are not sent to a client that has gone, which is forgotten', async () => {
    const client = listener.connect();
    await client.hello();
    await client.call('events.subscribe');
    await settle();
    const received = client.received.length;
    client.close();
    await settle();
    expect(closed).toEqual([1]);
    expect(server.viewer(1)).toBeNull();
    publish(1);
    await settle();
    expect(client.received).toHaveLength(received);
  });

  it('[E10] in floods end the connection of a client that does not read, and of no other', async () => {
    const [slow, quick] = [listener.connect(), listener.connect()];
    for (const client of [slow, quick]) {
      await client.hello();
      await client.call('events.subscribe');
    }
    await settle();
    slow.reads = false;
    for (let index = 0; index < 1000; index += 1) publish(index);
    await settle();
    expect(slow.closedBecause).toBe('queueFull');
    expect(closed).toEqual([1]);
    expect(quick.notifications('sessions.changed')).toHaveLength(1000);
  });

  it('that are too large end the connection rather than leave a gap', async () => {
    const client = listener.connect();
    await client.hello();
    await client.call('events.subscribe');
    const message = 'A'.repeat(maximumFrameBytes);
    subscriptions.publish(1, 'session.providerMessage', (sequence) => ({ sequence, id, message }));
    await settle();
    expect(client.closedBecause).toMatch(/session\.providerMessage could not be sent/);
    expect(closed).toEqual([1]);
  });
});

describe('the role that notifications go by', () => {
  const use = 'com.example.use';

  it('is never an administrator’s but for root', async () => {
    authority.answer(1000, 'yes');
    const client = listener.connect({ uid: 1000 });
    expect(await client.hello()).toMatchObject({ role: 'administrator' });
    await client.call('events.subscribe');
    expect(server.viewer(1)).toEqual({ uid: 1000, role: 'container' });
    listener.connect();
    expect(server.viewer(2)).toEqual({ uid: 0, role: 'administrator' });
  });

  it('follows what the authority says, and each change is told once', async () => {
    const client = listener.connect({ uid: 1000 });
    await client.hello();
    expect(roles).toEqual([]);
    authority.answer(1000, 'yes', use);
    for (let count = 0; count < 3; count += 1) await client.call('configurations.load', { id });
    expect(roles).toEqual(['container']);
    authority.answer(1000, 'no', use);
    now += 60_000;
    for (let count = 0; count < 3; count += 1) await client.call('configurations.load', { id });
    expect(roles).toEqual(['container', 'observer']);
  });

  it('does not rise with the log, which is another matter than tunnels', async () => {
    authority.answer(1000, 'yes', 'com.example.read-log');
    const client = listener.connect({ uid: 1000 });
    await client.hello();
    expect(await client.call('log.read')).toHaveProperty('error.data.code', 'frameTooLarge');
    expect(roles).toEqual([]);
    authority.answer(1000, 'yes', 'com.example.configure');
    await client.call('configurations.remove', { id });
    expect(roles).toEqual(['container']);
  });
});

describe('the end', () => {
  it('closes the listener and forgets every client', async () => {
    const clients = [listener.connect(), listener.connect()];
    for (const client of clients) await client.hello();
    const stop = vi.spyOn(listener, 'stop');
    server.stop();
    server.stop();
    await settle();
    expect(stop).toHaveBeenCalledTimes(1);
    expect(closed).toEqual([1, 2]);
    expect(clients.map(({ closedBecause }) => closedBecause)).toEqual(['stopped', 'stopped']);
  });
});
