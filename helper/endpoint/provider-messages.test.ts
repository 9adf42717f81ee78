import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { configurationDraftSchema } from '@sallyport/shared/protocol/configuration.ts';
import {
  maximumProviderMessageBytes,
  maximumProviderMessagesInFlight,
} from '@sallyport/shared/protocol/limits.ts';
import { echoCommands, echoed, EndpointRig, echoProvider, grantRole } from '../testing/endpoint-rig.ts';
import type { MemoryClient } from '../testing/memory-listener.ts';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';

const directory = useTemporaryDirectory();

let rig: EndpointRig;
let client: MemoryClient;
let id: string;

async function connected(name: string): Promise<string> {
  const root = await rig.client();
  const configuration = configurationDraftSchema.parse({
    id: randomUUID(),
    name,
    protocolConfiguration: { providerBundleIdentifier: echoProvider, serverAddress: null },
  });
  await root.call('configurations.save', { configuration, expectedRevision: null });
  await root.call('session.start', { id: configuration.id });
  await vi.waitFor(() => {
    const session = rig.sessions.snapshots().find((one) => one.configurationId === configuration.id);
    expect(session?.status).toBe('connected');
  });
  return configuration.id;
}

function params(bytes: Uint8Array, timeout = 5000, to = id): object {
  return { id: to, message: Buffer.from(bytes).toString('base64'), timeout };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

beforeEach(async () => {
  echoed.length = 0;
  rig = await EndpointRig.open(directory.path);
  grantRole(rig.authority, 1000, 'container');
  id = await connected('Home');
  client = await rig.client(1000);
});

describe('[E7] provider messages', () => {
  it('reach the provider in the order in which they were sent, while polkit is being asked as well', async () => {
    const sent: number[] = [];
    for (let index = 0; index < 60; index += 1) {
      sent.push(client.send('session.sendProviderMessage', params(Uint8Array.of(0xf0, index))));
      if (index % 7 === 0) rig.now += 6000;
      if (index % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(sent.map((one) => client.answer(one)));
    expect(echoed).toEqual(sent.map((_, index) => `f0${index.toString(16).padStart(2, '0')}`));
  });

  it.each([
    ['timedOut', Uint8Array.of(echoCommands.hang), 20],
    ['providerThrew', Uint8Array.of(echoCommands.fail), 1000],
    ['tooLarge', Uint8Array.of(echoCommands.grow), 1000],
    ['tooLarge', new Uint8Array(maximumProviderMessageBytes + 1), 1000],
  ])('fail with %s', async (code, bytes, timeout) => {
    expect(await client.call('session.sendProviderMessage', params(bytes, timeout))).toMatchObject({
      error: { data: { domain: 'ProviderError', code } },
    });
  });

  it('fail with sessionNotRunning when the session ends or has not begun', async () => {
    await client.call('session.stop', { id });
    await settle();
    expect(await client.call('session.sendProviderMessage', params(Uint8Array.of(1)))).toHaveProperty(
      'error.data.code',
      'sessionNotRunning',
    );
  });

  it('are at most so many in flight, over all clients; the rest are told to wait', async () => {
    const other = await rig.client();
    const hang = params(Uint8Array.of(echoCommands.hang));
    const half = maximumProviderMessagesInFlight / 2;
    const sent = [client, other].map((one) =>
      Array.from({ length: half }, () => one.send('session.sendProviderMessage', hang)),
    );
    await settle();
    const answer = await other.call('session.sendProviderMessage', params(Uint8Array.of(1)));
    expect(answer).toMatchObject({
      error: { data: { code: 'tooManyRequests', details: { retryAfter: 200 } } },
    });
    // Of another session nothing waits.
    const second = await connected('Office');
    expect(
      await other.call('session.sendProviderMessage', params(Uint8Array.of(1), 1000, second)),
    ).toHaveProperty('result.reply', 'AQ==');
    // A cancelled one frees its place, and so does a client that goes.
    const first = sent[0]?.[0] ?? 0;
    client.sendRaw({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: first } });
    expect(await client.answer(first)).toHaveProperty('error.data.code', 'requestCancelled');
    expect(await other.call('session.sendProviderMessage', params(Uint8Array.of(1)))).toHaveProperty(
      'result',
    );
    client.close();
    await settle();
    const more = Array.from({ length: half - 1 }, () => other.send('session.sendProviderMessage', hang));
    await settle();
    expect(await other.call('session.sendProviderMessage', params(Uint8Array.of(2)))).toHaveProperty(
      'result',
    );
    expect(other.received.filter((one) => more.includes(Number(one['id'])))).toEqual([]);
  });

  it('[E6] reach the provider of the configuration that they name, and no other', async () => {
    const second = await connected('Office');
    const session = (one: string): unknown =>
      rig.sessions.snapshots().find(({ configurationId }) => configurationId === one)?.instance;
    expect(session(id)).not.toBe(session(second));
    const push = params(Buffer.from('!here'), 1000, second);
    const watcher = await rig.client(1000);
    await watcher.call('events.subscribe');
    await client.call('session.sendProviderMessage', push);
    expect(watcher.notifications('session.providerMessage')).toMatchObject([{ id: second }]);
  });
});
