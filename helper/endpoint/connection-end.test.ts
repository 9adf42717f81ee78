import { beforeEach, expect, it, vi } from 'vitest';
import { MemoryAuthority } from '../testing/memory-authority.ts';
import { MemoryListener } from '../testing/memory-listener.ts';
import type { ExecutableFile } from './caller.ts';
import type { MethodHandlers } from './dispatch.ts';
import { EndpointServer } from './endpoint-server.ts';

const path = '/opt/example/app';
const warmed = { path: '/opt/example/client', sha256: '0'.repeat(64) };
const id = '0b0e7f1c-7f66-4d5e-9a1b-5c27f0e3a001';
const peer = { uid: 1000, executable: path };
const file: ExecutableFile = {
  device: '1',
  inode: '2',
  owner: 0,
  mode: 0o755,
  weakDirectory: null,
  digest: null,
};

let listener: MemoryListener;
let authority: MemoryAuthority;
let log: string[];
/** How often the executable was looked at of which the manifest gives the digest, and that nobody runs. */
let warmings: number;
let now: number;
/** Ends the looks at executables that are under way. */
let looked: ((found: ExecutableFile | null) => void)[];

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

function unexpected(): never {
  throw new Error('This method has no part in the test.');
}

const handlers: MethodHandlers = {
  hello: (_request, caller) => ({
    protocol: 1,
    role: caller.role,
    extension: { identifier: 'com.example', version: '1.0.0', build: '1' },
    developerMode: false,
    pid: 1,
  }),
  'extension.list': unexpected,
  'events.subscribe': unexpected,
  'configurations.list': unexpected,
  'configurations.load': unexpected,
  'configurations.save': unexpected,
  'configurations.remove': unexpected,
  'keychain.importIdentity': unexpected,
  'session.start': unexpected,
  'session.stop': unexpected,
  'session.statistics': unexpected,
  'session.lastDisconnectError': unexpected,
  'session.sendProviderMessage': unexpected,
  'log.read': unexpected,
};

beforeEach(() => {
  listener = new MemoryListener();
  authority = new MemoryAuthority();
  log = [];
  warmings = 0;
  now = 0;
  looked = [];
  const server = new EndpointServer({
    requirement: { executables: [{ path, sha256: null }, warmed], developerUid: null },
    files: {
      inspect: (inspected) =>
        new Promise((resolve) => {
          if (inspected === warmed.path) warmings += 1;
          else looked.push(resolve);
        }),
    },
    authority,
    extensionIdentifier: 'com.example',
    handlers,
    log: (level, message) => log.push(`${level} ${message}`),
    onRoleChanged: () => undefined,
    onClosed: () => undefined,
    now: () => now,
  });
  server.start(listener.listen);
});

it('a caller waits for no digest that the start has not begun to make', () => {
  expect(warmings).toBe(1);
});

it.each([
  ['fit', file],
  ['unfit', null],
])('a caller that goes while its executable is looked at leaves nothing: %s', async (_name, found) => {
  const client = listener.connect(peer);
  client.close();
  await settle();
  for (const end of looked) end(found);
  await settle();
  expect(looked).toHaveLength(1);
  expect(client.isReleased).toBe(false);
  expect(log).toEqual([]);
});

it('a caller that goes takes its password dialog with it', async () => {
  authority.hold(1000, 'com.example.configure');
  const client = listener.connect(peer);
  for (const end of looked) end(file);
  await client.released();
  await client.hello();
  client.send('configurations.remove', { id });
  await settle();
  expect(authority.openDialogs).toBe(1);
  client.close();
  await settle();
  expect(authority.openDialogs).toBe(0);
});

it('a caller that goes takes back what was asked about it without a dialog', async () => {
  const signals: (AbortSignal | undefined)[] = [];
  vi.spyOn(authority, 'check').mockImplementation(({ signal }) => {
    signals.push(signal);
    return new Promise(() => undefined);
  });
  const client = listener.connect(peer);
  for (const end of looked) end(file);
  await client.released();
  client.send('hello', { protocol: { oldest: 1, newest: 1 }, client: { name: 'x', version: '1' } });
  await settle();
  expect(signals.map((signal) => signal?.aborted)).toEqual([false]);
  client.close();
  await settle();
  expect(signals.map((signal) => signal?.aborted)).toEqual([true]);
});

it('a caller that goes gives back the places of its requests', async () => {
  authority.hold(1000, 'com.example.use');
  for (let count = 0; count < 6; count += 1) {
    const client = listener.connect(peer);
    for (const end of looked.splice(0)) end(file);
    await client.released();
    await client.hello();
    for (let request = 0; request < 60; request += 1) client.send('session.stop', { id });
    await settle();
    expect(client.received.filter((message) => 'error' in message)).toEqual([]);
    client.close();
    await settle();
    now += 60_000;
  }
});
