import { writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeFrame } from '../protocol/frames.ts';
import { maximumFrameBytes } from '../protocol/limits.ts';
import { encodePayload } from '../protocol/messages.ts';
import type { NotificationParams } from '../protocol/methods.ts';
import { EndpointConnection, type OpenOptions } from './endpoint-connection.ts';
import { FakeHelper } from './testing/fake-helper.ts';

const client = { name: 'test', version: '1.0.0' };
const unknownId = '0b0e7f1c-7f66-4d5e-9a1b-5c27f0e3a001';

let helper: FakeHelper;
const opened: EndpointConnection[] = [];

beforeEach(async () => {
  helper = await FakeHelper.start();
});
afterEach(async () => {
  for (const connection of opened.splice(0)) connection.close();
  await helper.close();
});

async function open(more: Partial<OpenOptions> = {}): Promise<EndpointConnection> {
  const connection = await EndpointConnection.open({ path: helper.endpoint.path, client, ...more });
  opened.push(connection);
  return connection;
}

describe('opening', () => {
  it('says hello and keeps what the helper said of itself', async () => {
    const connection = await open();
    expect(connection.hello).toMatchObject({
      protocol: 1,
      extension: { identifier: 'org.sallyport.helper' },
    });
    expect(helper.endpoint.requests).toEqual(['hello']);
  });

  it('[E9] tells a newer helper from an older one, and which side to update', async () => {
    helper.protocol = 7;
    await expect(open()).rejects.toMatchObject({
      domain: 'EndpointError',
      code: 'protocolVersionUnsupported',
      message: expect.stringContaining('update this program'),
    });
  });

  it('is notReachable with the remedy when nothing is there', async () => {
    await helper.endpoint.pause();
    await expect(open({ remedy: 'do this' })).rejects.toMatchObject({
      code: 'notReachable',
      message: 'do this',
    });
  });

  it('is notReachable with the remedy when a dead helper left its name behind', async () => {
    await helper.endpoint.pause();
    await writeFile(helper.endpoint.path, '');
    await expect(open({ remedy: 'do this' })).rejects.toMatchObject({
      code: 'notReachable',
      message: 'do this',
    });
  });

  it('gives up when the helper accepts but says nothing', async () => {
    helper.silent = true;
    await expect(open({ timeout: 50 })).rejects.toMatchObject({ code: 'timedOut' });
  });

  it('is aborted by its signal', async () => {
    const controller = new AbortController();
    controller.abort(new Error('enough'));
    await expect(open({ signal: controller.signal })).rejects.toThrow('enough');
  });
});

describe('requests', () => {
  it('rejects with the typed error that the helper threw', async () => {
    const connection = await open();
    await expect(connection.call('configurations.load', { id: unknownId })).rejects.toMatchObject({
      name: 'VPNError',
      domain: 'VPNError',
      code: 'configurationUnknown',
      number: 6,
    });
  });

  it('rejects with invalidParameters from the schema the helper shares', async () => {
    const connection = await open();
    await expect(connection.call('configurations.load', { id: 'not-a-uuid' })).rejects.toMatchObject({
      code: 'invalidParameters',
    });
  });

  it('keeps several in flight apart', async () => {
    const connection = await open();
    const [extensions, log, unknown] = await Promise.allSettled([
      connection.call('extension.list', {}),
      connection.call('log.read', {}),
      connection.call('session.stop', { id: unknownId }),
    ]);
    expect(extensions).toMatchObject({ status: 'fulfilled', value: { extensions: [] } });
    expect(log).toMatchObject({ status: 'fulfilled', value: { entries: [] } });
    expect(unknown).toMatchObject({ status: 'rejected', reason: { code: 'configurationUnknown' } });
  });

  it('times out, and tells the helper that nobody waits any more', async () => {
    const connection = await open();
    const peer = onlyPeer();
    const answer = peer.send.bind(peer);
    peer.send = () => undefined;
    await expect(connection.call('extension.list', {}, { timeout: 20 })).rejects.toMatchObject({
      code: 'timedOut',
    });
    peer.send = answer;
    await connection.call('log.read', {});
    expect(peer.cancelled).toEqual([1]);
  });

  it('is cancelled by its signal with the reason given', async () => {
    const connection = await open();
    const peer = onlyPeer();
    const answer = peer.send.bind(peer);
    peer.send = () => undefined;
    const controller = new AbortController();
    const pending = connection.call('extension.list', {}, { signal: controller.signal });
    controller.abort(new Error('changed my mind'));
    await expect(pending).rejects.toThrow('changed my mind');
    peer.send = answer;
    await connection.call('log.read', {});
    expect(peer.cancelled).toEqual([1]);
  });

  it('refuses to send a frame that the helper would refuse', async () => {
    const connection = await open();
    const message = 'A'.repeat(maximumFrameBytes);
    await expect(
      connection.call('session.sendProviderMessage', { id: unknownId, message, timeout: 5 }),
    ).rejects.toMatchObject({
      code: 'frameTooLarge',
    });
    await expect(connection.call('log.read', {})).resolves.toEqual({ entries: [] });
  });

  it('rejects everything pending with connectionClosed when the helper dies', async () => {
    const connection = await open();
    const peer = onlyPeer();
    peer.send = () => undefined;
    const pending = connection.call('extension.list', {});
    setTimeout(() => {
      peer.destroy();
    }, 10);
    await expect(pending).rejects.toMatchObject({ code: 'connectionClosed' });
    expect(await connection.closed).toMatchObject({ code: 'connectionClosed' });
    await expect(connection.call('log.read', {})).rejects.toMatchObject({ code: 'connectionClosed' });
  });

  it('takes an answer that arrives together with the end', async () => {
    const connection = await open();
    const peer = onlyPeer();
    const pending = connection.call('extension.list', {});
    const answer = peer.send.bind(peer);
    peer.send = (message) => {
      answer(message);
      peer.end();
    };
    await expect(pending).resolves.toEqual({ extensions: [] });
    await connection.closed;
  });
});

describe('a peer that does not keep to the protocol', () => {
  it.each<[string, Uint8Array, string]>([
    ['a length above the cap', new Uint8Array([0xff, 0xff, 0xff, 0xff]), 'frameTooLarge'],
    ['an empty frame', new Uint8Array([0, 0, 0, 0]), 'malformedMessage'],
    ['bytes that are not UTF-8', encodeFrame(new Uint8Array([0xff, 0xfe])), 'malformedMessage'],
    ['text that is not JSON', encodeFrame(new TextEncoder().encode('{')), 'malformedMessage'],
    ['a batch', encodeFrame(encodePayload([])), 'malformedMessage'],
    [
      'a request',
      encodeFrame(encodePayload({ jsonrpc: '2.0', id: 1, method: 'hello', params: {} })),
      'malformedMessage',
    ],
    [
      'another version of JSON-RPC',
      encodeFrame(encodePayload({ jsonrpc: '1.0', id: 1, result: {} })),
      'malformedMessage',
    ],
    [
      'a notification of the wrong shape',
      encodeFrame(encodePayload({ jsonrpc: '2.0', method: 'sessions.changed', params: { sequence: 'one' } })),
      'malformedMessage',
    ],
  ])('is cut off after %s', async (_title, bytes, code) => {
    const connection = await open();
    onlyPeer().sendBytes(bytes);
    expect(await connection.closed).toMatchObject({ domain: 'EndpointError', code });
  });

  it('gets nothing but an error for a result of the wrong shape', async () => {
    const connection = await open();
    const peer = onlyPeer();
    const answer = peer.send.bind(peer);
    peer.send = () => {
      answer({ jsonrpc: '2.0', id: 1, result: { extensions: 'none' } });
    };
    await expect(connection.call('extension.list', {})).rejects.toMatchObject({ code: 'malformedMessage' });
  });

  it('may have notifications that this side does not know', async () => {
    const connection = await open();
    onlyPeer().send({ jsonrpc: '2.0', method: 'weather.changed', params: { sun: true } });
    await expect(connection.call('log.read', {})).resolves.toEqual({ entries: [] });
  });
});

it('hands on notifications in order', async () => {
  const texts: string[] = [];
  const receive = ({ text }: NotificationParams<'session.displayMessage'>) => texts.push(text);
  const connection = await open({ receiver: { 'session.displayMessage': receive } });
  await connection.call('events.subscribe', {});
  for (const text of ['a', 'b', 'c']) helper.display(unknownId, text);
  await connection.call('log.read', {});
  expect(texts).toEqual(['a', 'b', 'c']);
});

function onlyPeer() {
  const [peer] = helper.endpoint.peers;
  if (peer === undefined) throw new Error('no client is connected');
  return peer;
}
