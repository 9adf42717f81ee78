import { beforeEach, describe, expect, it } from 'vitest';
import { maximumFrameBytes, maximumRequestsPerConnection } from '@sallyport/shared/protocol/limits.ts';
import { EndpointRig, grantRole } from '../testing/endpoint-rig.ts';
import type { MemoryClient } from '../testing/memory-listener.ts';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';

const directory = useTemporaryDirectory();
const id = '0b0e7f1c-7f66-4d5e-9a1b-5c27f0e3a001';
const greeting = { protocol: { oldest: 1, newest: 1 }, client: { name: 'test', version: '1' } };

let rig: EndpointRig;
let other: MemoryClient;
let client: MemoryClient;

/** Lets everything that is under way happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

function raw(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

beforeEach(async () => {
  rig = await EndpointRig.open(directory.path);
  grantRole(rig.authority, 1000, 'container');
  other = await rig.client();
  client = await rig.client(1000);
});

describe('what is no request', () => {
  const request = { jsonrpc: '2.0', id: 1, method: 'hello', params: {} };
  it.each([
    ['no JSON', new TextEncoder().encode('{"jsonrpc":')],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
    ['empty', new Uint8Array()],
    ['NUL', new Uint8Array([0])],
    ['with a NUL after it', raw('{"jsonrpc":"2.0","id":1,"method":"hello"}\0')],
    ['with garbage after it', raw('{"jsonrpc":"2.0","id":1,"method":"hello"}{}')],
    ['with a member twice', raw('{"jsonrpc":"2.0","id":1,"method":"x","method":"hello"}')],
    [
      'with a member twice in its parameters',
      raw('{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":1,"a":2}}'),
    ],
    ['with __proto__', raw('{"jsonrpc":"2.0","id":1,"method":"x","params":{"__proto__":{}}}')],
    ['a frame full of brackets', raw('['.repeat(maximumFrameBytes))],
    ['a frame full of objects', raw('{"a":'.repeat(maximumFrameBytes / 5))],
    [
      'parameters full of brackets',
      raw(`{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":${'['.repeat(200_000)}`),
    ],
    ['with a negative id', { ...request, id: -1 }],
    ['with a broken id', { ...request, id: 1.5 }],
    ['with an endless id', raw('{"jsonrpc":"2.0","id":1e999,"method":"hello"}')],
    ['null', null],
    ['a number', 1],
    ['a batch', [request]],
    ['of another version', { ...request, jsonrpc: '1.0' }],
    ['without a version', { id: 1, method: 'hello', params: {} }],
    ['with parameters by position', { ...request, params: [1] }],
    ['with null parameters', { ...request, params: null }],
    ['with an id that is a string', { ...request, id: '1' }],
    ['with an id that is null', { ...request, id: null }],
    ['with an endless method', { ...request, method: 'x'.repeat(101) }],
    ['with a field too many', { ...request, surprise: 1 }],
    ['a notification', { jsonrpc: '2.0', method: 'hello', params: {} }],
    ['progress', { jsonrpc: '2.0', method: '$/progress', params: { token: 1, value: 1 } }],
    ['tracing', { jsonrpc: '2.0', method: '$/setTrace', params: { value: 'verbose' } }],
    ['a cancellation of nothing', { jsonrpc: '2.0', method: '$/cancelRequest' }],
    ['a cancellation with null', { jsonrpc: '2.0', method: '$/cancelRequest', params: null }],
    ['a cancellation of an object', { jsonrpc: '2.0', method: '$/cancelRequest', params: { id: {} } }],
    ['an answer', { jsonrpc: '2.0', id: 1, result: {} }],
    ['a failed answer', { jsonrpc: '2.0', id: 1, error: { code: 1, message: '' } }],
  ])('[E10] ends the connection that sent it, and no other: %s', async (_what, payload) => {
    client.sendRaw(payload);
    await settle();
    expect(client.closedBecause).toMatch(/^a frame is not/);
    expect(other.closedBecause).toBeNull();
    expect(await other.call('extension.list')).toHaveProperty('result');
  });
});

describe('hello', () => {
  it.each([
    ['nothing', {}],
    ['no versions', { ...greeting, protocol: {} }],
    ['versions that are text', { ...greeting, protocol: { oldest: '1', newest: '1' } }],
    ['versions that are endless', { ...greeting, protocol: { oldest: 1, newest: 1e300 } }],
    ['a role', { ...greeting, role: 'administrator' }],
    ['no name', { ...greeting, client: { name: '', version: '1' } }],
    ['an endless name', { ...greeting, client: { name: 'x'.repeat(101), version: '1' } }],
  ])('[E10] with %s is refused, and may be tried again', async (_what, params) => {
    const fresh = rig.listener.connect({ uid: 1000 });
    expect(await fresh.call('hello', params)).toHaveProperty('error.data.code', 'invalidParameters');
    expect(await fresh.call('extension.list')).toHaveProperty('error.data.code', 'invalidParameters');
    expect(await fresh.hello()).toMatchObject({ role: 'container' });
  });

  it('[E10] a second time is refused and changes nothing', async () => {
    expect(await client.call('hello', greeting)).toHaveProperty('error.data.code', 'invalidParameters');
    expect(await client.call('session.stop', { id })).toHaveProperty(
      'error.data.code',
      'configurationUnknown',
    );
  });

  it('[E10] twice at once is said once', async () => {
    const fresh = rig.listener.connect({ uid: 1000 });
    const ids = [fresh.send('hello', greeting), fresh.send('hello', greeting)];
    const answers = await Promise.all(ids.map((one) => fresh.answer(one)));
    expect(answers.filter((answer) => 'result' in answer)).toHaveLength(1);
  });
});

describe('ids', () => {
  const message = { id, message: '', timeout: 1000 };

  it('[E10] of requests under way are their own; the same twice ends the connection', async () => {
    rig.authority.hold(1000, 'org.sallyport.helper.configure');
    client.sendRaw({ jsonrpc: '2.0', id: 7, method: 'configurations.remove', params: { id } });
    await settle();
    client.sendRaw({ jsonrpc: '2.0', id: 7, method: 'extension.list', params: {} });
    await settle();
    expect(client.closedBecause).toMatch(/same id/);
    expect(rig.authority.openDialogs).toBe(0);
    expect(await other.call('extension.list')).toHaveProperty('result');
  });

  it('[E10] may be used again, in any order, and each request is answered by itself', async () => {
    for (const number of [9, 3, 9, 0, 3]) {
      const before = client.received.length;
      client.sendRaw({ jsonrpc: '2.0', id: number, method: 'extension.list', params: {} });
      await settle();
      expect(client.received.slice(before)).toMatchObject([{ id: number, result: { extensions: [{}] } }]);
    }
  });

  it('[E10] of cancellations may be of anything', async () => {
    await client.call('session.sendProviderMessage', message);
    for (const number of [1, 2, 99, Number.MAX_SAFE_INTEGER]) {
      client.sendRaw({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: number } });
    }
    expect(await client.call('extension.list')).toHaveProperty('result');
    expect(client.received.filter((one) => one['id'] === 2)).toHaveLength(1);
  });

  it('[E10] of a request that is cancelled at once get their error', async () => {
    rig.authority.hold(1000, 'org.sallyport.helper.configure');
    const request = client.send('configurations.remove', { id });
    client.sendRaw({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: request } });
    expect(await client.answer(request)).toHaveProperty('error.data.code', 'requestCancelled');
    expect(rig.authority.openDialogs).toBe(0);
  });
});

describe('floods', () => {
  it('[E10] of requests are answered with when to try again, and end whoever goes on', async () => {
    for (let index = 0; index < maximumRequestsPerConnection + 10; index += 1) client.send('extension.list');
    await settle();
    const refused = client.received.filter((one) => 'error' in one);
    expect(refused).toHaveLength(10);
    expect(refused[0]).toHaveProperty('error.data', expect.objectContaining({ code: 'tooManyRequests' }));
    expect(refused[0]).toHaveProperty('error.data.details.retryAfter', expect.any(Number));
    for (let turn = 0; turn < 100; turn += 1) await settle();
    expect(await client.call('extension.list')).toHaveProperty('result');
    for (let index = 0; index < 2000; index += 1) client.send('extension.list');
    await settle();
    expect(client.closedBecause).toMatch(/told to wait/);
    expect(await other.call('extension.list')).toHaveProperty('result');
    expect(await (await rig.client(1001)).call('extension.list')).toHaveProperty('result');
  });

  it('[E10] of cancellations leave nothing behind', async () => {
    for (let index = 0; index < 50_000; index += 1) {
      client.sendRaw({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: index + 1000 } });
    }
    expect(await client.call('extension.list')).toHaveProperty('result');
  });

  it('[E2] of refused callers do not fill the log', async () => {
    const before = rig.lines.length;
    for (let index = 0; index < 1000; index += 1) {
      rig.listener.connect({ uid: 1001, samePidNamespace: false });
      rig.listener.turnAway(1001, 3);
    }
    await settle();
    expect(rig.lines.length - before).toBeLessThan(10);
  });
});

describe('a process that changes', () => {
  it('[E4] is answered with an error and disconnected', async () => {
    client.hasChanged = true;
    const request = client.send('session.stop', { id });
    expect(await client.answer(request)).toHaveProperty('error.data.code', 'accessDenied');
    await settle();
    expect(client.closedBecause).toMatch(/another program/);
    expect(rig.authority.asked.filter(({ interactive }) => interactive)).toEqual([]);
  });
});
