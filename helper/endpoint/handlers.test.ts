import { randomUUID } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import {
  configurationDraftSchema,
  type ConfigurationDraft,
} from '@sallyport/shared/protocol/configuration.ts';
import { maximumProviderMessageBytes } from '@sallyport/shared/protocol/limits.ts';
import {
  methods,
  notifications,
  type MethodName,
  type MethodResult,
} from '@sallyport/shared/protocol/methods.ts';
import { EndpointRig, echoProvider, grantRole } from '../testing/endpoint-rig.ts';
import type { MemoryClient } from '../testing/memory-listener.ts';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';

const canary = 'correct horse battery staple';
const directory = useTemporaryDirectory();

let rig: EndpointRig;
let client: MemoryClient;

beforeEach(async () => {
  rig = await EndpointRig.open(directory.path);
  grantRole(rig.authority, 1000, 'administrator');
  grantRole(rig.authority, 1002, 'container');
  client = await rig.client();
});

const results: { readonly [M in MethodName]: { readonly result: z.ZodType<MethodResult<M>> } } = methods;
const sequenced = z.looseObject({ sequence: z.int() });

/** Calls and checks the answer against the protocol's own schema. @throws what the endpoint answered */
async function call<M extends MethodName>(
  method: M,
  params: unknown = {},
  by = client,
): Promise<MethodResult<M>> {
  const { result, error } = await by.call(method, params);
  if (error !== undefined) throw Object.assign(new Error('refused'), error);
  return results[method].result.parse(result);
}

function failure(code: string): object {
  return { data: expect.objectContaining({ code }) };
}

function draft(changes: Partial<ConfigurationDraft> = {}): ConfigurationDraft {
  return configurationDraftSchema.parse({
    id: randomUUID(),
    name: 'Home',
    protocolConfiguration: { providerBundleIdentifier: echoProvider, serverAddress: null },
    ...changes,
  });
}

async function save(
  one: ConfigurationDraft,
  expectedRevision: number | null = null,
): Promise<ConfigurationDraft> {
  await call('configurations.save', { configuration: one, expectedRevision });
  return one;
}

async function statusOf(id: string, status: string): Promise<void> {
  await vi.waitFor(async () => {
    const { sessions } = await call('events.subscribe', {}, await rig.client(1001));
    expect(sessions.find((session) => session.configurationId === id)?.status).toBe(status);
  });
}

describe('hello', () => {
  const hello = { client: { name: 'test', version: '1' } };

  it('[E9] agrees on a version that both speak', async () => {
    for (const protocol of [
      { oldest: 1, newest: 1 },
      { oldest: 1, newest: 7 },
    ]) {
      const by = rig.listener.connect();
      expect(await call('hello', { ...hello, protocol }, by)).toMatchObject({
        protocol: 1,
        pid: process.pid,
      });
    }
  });

  it('[E9] says which side to update', async () => {
    const by = rig.listener.connect();
    await expect(call('hello', { ...hello, protocol: { oldest: 2, newest: 3 } }, by)).rejects.toMatchObject({
      data: {
        code: 'protocolVersionUnsupported',
        details: { update: 'helper' },
        message: expect.stringMatching(/activate/),
      },
    });
    await expect(call('hello', { ...hello, protocol: { oldest: 2, newest: 1 } }, by)).rejects.toMatchObject(
      failure('invalidParameters'),
    );
  });

  it('is logged with what the client calls itself, and no sooner than it succeeded', async () => {
    const by = rig.listener.connect({ uid: 1001 });
    const named = {
      client: { name: 'Example\u001b[2J', version: '4.5.6' },
      protocol: { oldest: 9, newest: 9 },
    };
    await expect(call('hello', named, by)).rejects.toMatchObject(failure('protocolVersionUnsupported'));
    expect(rig.lines.join('')).not.toContain('Example');
    await call('hello', { ...named, protocol: { oldest: 1, newest: 1 } }, by);
    const lines = rig.lines.filter((line) => line.includes('Example'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('"level":"info"');
    expect(lines[0]).toContain('"uid":1001');
    expect(lines[0]).toContain('"name":"Example\\u001b[2J","version":"4.5.6"');
  });

  it('of a client that comes again and again pushes nothing else out of the log', async () => {
    const before = rig.lines.length;
    for (let count = 0; count < 200; count += 1) {
      // Four requests are below what a uid may ask in that time.
      rig.now += 25;
      const by = await rig.client(1001);
      await by.call('extension.list');
      await by.call('session.stop', { id: randomUUID() });
      await by.call('log.read');
      by.sendRaw('not a request');
    }
    expect(rig.lines.length - before).toBeLessThan(40);
  });

  it('[E8] names the caller’s role', async () => {
    for (const [uid, role] of [
      [0, 'administrator'],
      [1000, 'administrator'],
      [1001, 'observer'],
      [1002, 'container'],
    ] as const) {
      const by = rig.listener.connect({ uid });
      expect((await call('hello', { ...hello, protocol: { oldest: 1, newest: 1 } }, by)).role).toBe(role);
    }
  });
});

describe('configurations', () => {
  it('are saved, loaded, listed and removed', async () => {
    const one = await save(draft());
    expect(await call('configurations.load', { id: one.id })).toMatchObject({
      configuration: { ...one, revision: 1, owner: 0 },
    });
    expect((await call('configurations.list')).configurations).toHaveLength(1);
    await call('configurations.remove', { id: one.id });
    expect((await call('configurations.list')).configurations).toEqual([]);
    for (const method of [
      'configurations.load',
      'configurations.remove',
      'session.start',
      'session.stop',
    ] as const) {
      await expect(call(method, { id: one.id })).rejects.toMatchObject(failure('configurationUnknown'));
    }
  });

  it('[M2] save with an old revision fails and changes nothing', async () => {
    const one = await save(draft());
    await save({ ...one, name: 'Office' }, 1);
    await expect(save({ ...one, name: 'Late' }, 1)).rejects.toMatchObject(failure('configurationStale'));
    expect(await call('configurations.load', { id: one.id })).toMatchObject({
      configuration: { name: 'Office', revision: 2 },
    });
  });

  it('[K2] take secrets and never give them back', async () => {
    const reference = randomUUID();
    const one = draft({ secretReferences: [reference] });
    const secrets = { [reference]: Buffer.from(canary).toString('base64') };
    const follower = await rig.client();
    await call('events.subscribe', {}, follower);
    await call('log.read', { follow: true, level: 'debug' }, follower);
    await call('configurations.save', { configuration: one, expectedRevision: null, secrets });
    // Refused ones do not come back in the error either.
    await client.call('configurations.save', { configuration: one, expectedRevision: 5, secrets });
    await client.call('configurations.save', {
      configuration: one,
      expectedRevision: 1,
      secrets: { x: secrets },
    });
    await call('configurations.load', { id: one.id });
    await call('configurations.list');
    expect(await readFile(join(directory.path, 'secrets', reference), 'utf8')).not.toContain(canary);
    const seen = [...client.received, ...follower.received, ...rig.lines]
      .map((one) => JSON.stringify(one))
      .join();
    expect(seen).not.toContain(canary);
    expect(seen).not.toContain(secrets[reference]);
    const stored = await readFile(join(directory.path, 'configurations', `${one.id}.json`), 'utf8');
    expect(stored).not.toContain(canary);
    await call('configurations.remove', { id: one.id });
    expect(await readdir(join(directory.path, 'secrets'))).toEqual(['master-key']);
  });

  it('[K2] leave no secret in the helper’s memory, stored or refused', async () => {
    const seen: Uint8Array[] = [];
    const original = rig.configurations.save.bind(rig.configurations);
    vi.spyOn(rig.configurations, 'save').mockImplementation((request) => {
      for (const secret of request.secrets.values()) {
        expect(Buffer.from(secret).toString()).toBe(canary);
        seen.push(secret);
      }
      return original(request);
    });
    const reference = randomUUID();
    const configuration = draft({ secretReferences: [reference] });
    const secrets = { [reference]: Buffer.from(canary).toString('base64') };
    for (const [expectedRevision, outcome] of [
      [null, 'result'],
      [7, 'error'],
    ] as const) {
      expect(
        await client.call('configurations.save', { configuration, expectedRevision, secrets }),
      ).toHaveProperty(outcome);
    }
    expect(seen).toHaveLength(2);
    for (const secret of seen) expect([...secret].every((byte) => byte === 0)).toBe(true);
  });

  it('[M6] are removed with their running session, which clients hear of in order', async () => {
    const one = await save(draft());
    await call('session.start', { id: one.id });
    await statusOf(one.id, 'connected');
    const follower = await rig.client(1001);
    await call('events.subscribe', {}, follower);
    await Promise.all([
      call('configurations.remove', { id: one.id }),
      call('configurations.remove', { id: one.id }, await rig.client()),
    ]);
    const told = follower.received.slice(2);
    const statuses = follower
      .notifications('sessions.changed')
      .map((params) => notifications['sessions.changed'].params.parse(params).session.status);
    expect(statuses).toContain('disconnecting');
    expect(told.at(-1)).toMatchObject({
      method: 'configurations.changed',
      params: { id: one.id, configuration: null },
    });
    expect((await call('events.subscribe')).sessions).toEqual([]);
  });

  it('are saved by nobody while they are being removed', async () => {
    const one = await save(draft());
    await call('session.start', { id: one.id });
    await statusOf(one.id, 'connected');
    const removal = call('configurations.remove', { id: one.id });
    await expect(save({ ...one, name: 'Late' }, 1)).rejects.toMatchObject(failure('configurationUnknown'));
    await removal;
    expect(await call('events.subscribe')).toMatchObject({ configurations: [], sessions: [] });
  });
});

describe('[E8] events', () => {
  it('tell every client of configurations and sessions what its role may see', async () => {
    const administrator = await rig.client(1000);
    const observer = await rig.client(1001);
    const before = await save(draft({ name: 'Before' }));
    expect((await call('events.subscribe', {}, administrator)).configurations).toMatchObject([
      { id: before.id },
    ]);
    expect(await call('events.subscribe', {}, observer)).toMatchObject({
      configurations: [],
      sessions: [{ configurationId: before.id, status: 'disconnected' }],
    });
    const { id } = await save(draft());
    await call('session.start', { id });
    await statusOf(id, 'connected');
    await call('session.sendProviderMessage', {
      id,
      message: Buffer.from('!hi').toString('base64'),
      timeout: 1000,
    });
    expect(administrator.notifications('configurations.changed')).toMatchObject([
      { id, configuration: { name: 'Home' } },
    ]);
    expect(observer.notifications('configurations.changed')).toEqual([]);
    for (const follower of [administrator, observer]) {
      const statuses = follower
        .notifications('sessions.changed')
        .map((params) => notifications['sessions.changed'].params.parse(params).session.status);
      expect(statuses.filter((status, index) => status !== statuses[index - 1])).toEqual([
        'disconnected',
        'connecting',
        'connected',
      ]);
      const numbers = follower.received
        .slice(2)
        .map((message) => sequenced.parse(message['params']).sequence);
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    }
    expect(administrator.notifications('session.providerMessage')).toMatchObject([{ id, message: 'aGk=' }]);
    expect(administrator.notifications('session.displayMessage')).toMatchObject([{ id, text: 'Look here' }]);
    expect(observer.notifications('session.providerMessage')).toEqual([]);
    expect(observer.notifications('session.displayMessage')).toEqual([]);
  });
});

describe('[E7] provider messages', () => {
  const message = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

  it('carry any bytes, several in flight, and their bounds', async () => {
    const { id } = await save(draft());
    await expect(
      call('session.sendProviderMessage', { id, message: 'AA==', timeout: 1000 }),
    ).rejects.toMatchObject(failure('sessionNotRunning'));
    await call('session.start', { id });
    await statusOf(id, 'connected');
    const bodies = [Uint8Array.of(0), Uint8Array.of(255, 254), new Uint8Array(maximumProviderMessageBytes)];
    const replies = await Promise.all(
      bodies.map((body) =>
        call('session.sendProviderMessage', { id, message: message(body), timeout: 1000 }),
      ),
    );
    expect(replies.map(({ reply }) => reply)).toEqual(bodies.map(message));
    expect(await call('session.sendProviderMessage', { id, message: '', timeout: 1000 })).toEqual({
      reply: null,
    });
    const tooLarge = message(new Uint8Array(maximumProviderMessageBytes + 1));
    await expect(
      call('session.sendProviderMessage', { id, message: tooLarge, timeout: 1000 }),
    ).rejects.toMatchObject(failure('tooLarge'));
    expect(
      await call('session.sendProviderMessage', { id, message: message(Buffer.from('!')), timeout: 1000 }),
    ).toEqual({
      reply: message(Uint8Array.of(0)),
    });
  });
});

describe('sessions', () => {
  it('[L13] say how the last run ended, also after a restart of the helper', async () => {
    const { id } = await save(draft());
    expect(await call('session.lastDisconnectError', { id })).toEqual({ reason: null, error: null });
    expect(await call('session.statistics', { id })).toEqual({ statistics: null });
    await call('session.start', { id });
    await statusOf(id, 'connected');
    expect((await call('session.statistics', { id })).statistics).toMatchObject({
      receivedBytes: 0,
      peers: [],
    });
    await call('session.stop', { id });
    await statusOf(id, 'disconnected');
    const ended = { reason: 'userInitiated', error: null };
    expect(await call('session.lastDisconnectError', { id })).toEqual(ended);
    await vi.waitFor(async () => {
      expect(await readFile(join(directory.path, 'ends.json'), 'utf8')).toContain('userInitiated');
    });
    rig.server.stop();
    rig = await EndpointRig.open(directory.path);
    client = await rig.client();
    expect(await call('session.lastDisconnectError', { id })).toEqual(ended);
  });

  it('refuse what is disabled or has no provider', async () => {
    const disabled = await save(draft({ isEnabled: false }));
    await expect(call('session.start', { id: disabled.id })).rejects.toMatchObject(
      failure('configurationDisabled'),
    );
    const protocolConfiguration = {
      ...disabled.protocolConfiguration,
      providerBundleIdentifier: 'com.example.gone',
    };
    const orphan = await save(draft({ name: 'Orphan', protocolConfiguration }));
    await expect(call('session.start', { id: orphan.id })).rejects.toMatchObject(failure('pluginDisabled'));
  });
});

describe('[L9] extension.list', () => {
  it('says what the log says', async () => {
    const { id } = await save(draft());
    await call('session.start', { id });
    await statusOf(id, 'connected');
    const { extensions } = await call('extension.list', {}, await rig.client(1001));
    expect(extensions).toMatchObject([
      {
        bundleIdentifier: sallyportManifest.identifier,
        pid: process.pid,
        registrations: [{ identifier: echoProvider, type: 'packet-tunnel', found: 1, active: 1 }],
      },
    ]);
    const { entries } = await call('log.read', { limit: 1000 });
    expect(entries.map(({ message }) => message)).toContain(
      `Found 1 (1 active) registrations for ${echoProvider} (packet-tunnel)`,
    );
  });
});

describe('log.read', () => {
  it('gives the newest entries and then each later one, once, until the client goes', async () => {
    rig.logger.log('info', 'test', 'before');
    const follower = await rig.client();
    const { entries } = await call('log.read', { limit: 2, level: 'info', follow: true }, follower);
    expect(entries).toHaveLength(2);
    await call('log.read', { follow: true, level: 'notice' }, follower);
    rig.logger.log('info', 'test', 'not grave enough');
    rig.logger.log('notice', 'test', 'after');
    expect(follower.notifications('log.entry')).toMatchObject([{ message: 'after' }]);
    expect(rig.followers.size).toBe(1);
    follower.close();
    await vi.waitFor(() => {
      expect(rig.followers.size).toBe(0);
    });
    rig.logger.log('notice', 'test', 'late');
    expect(follower.notifications('log.entry')).toHaveLength(1);
  });

  it('of a client that does not read ends its connection, not the helper', async () => {
    const follower = await rig.client();
    await call('log.read', { follow: true, level: 'debug' }, follower);
    follower.reads = false;
    for (let index = 0; index < 100; index += 1) rig.logger.log('info', 'test', String(index));
    await vi.waitFor(() => {
      expect(rig.followers.size).toBe(0);
    });
    expect(await call('configurations.list')).toEqual({ configurations: [] });
  });
});
