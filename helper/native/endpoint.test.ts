import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { descriptors, frame, python, received, TestEndpoint } from './testing/endpoint.ts';

describe('the socket', () => {
  test('has exactly the permissions asked for, whatever the umask', () => {
    const before = process.umask(0o077);
    try {
      using open = new TestEndpoint({ mode: 0o666 });
      expect(statSync(open.path).mode & 0o7777).toBe(0o666);
      process.umask(0);
      using closed = new TestEndpoint({ mode: 0o600 });
      expect(statSync(closed.path).mode & 0o7777).toBe(0o600);
    } finally {
      process.umask(before);
    }
  });

  test('vanishes with stop, and a second stop does nothing', () => {
    using endpoint = new TestEndpoint();
    endpoint.listener.stop();
    expect(readdirSync(endpoint.directory)).toEqual([]);
    endpoint.listener.stop();
    expect(endpoint.listener.send(1, Buffer.from('x'))).toBe(false);
  });

  test('of somebody else who took the path meanwhile stays', () => {
    using endpoint = new TestEndpoint();
    rmSync(endpoint.path);
    writeFileSync(endpoint.path, 'not ours');
    endpoint.listener.stop();
    expect(existsSync(endpoint.path)).toBe(true);
  });

  test('that nobody answers on is replaced, leaving nothing else behind', async () => {
    using endpoint = new TestEndpoint();
    const path = join(endpoint.directory, 'stale.sock');
    await python(
      'import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()',
      path,
    );
    expect(lstatSync(path).isSocket()).toBe(true);
    using second = new TestEndpoint({ path, mode: 0o640 });
    expect(statSync(path).mode & 0o7777).toBe(0o640);
    const client = net.connect(path);
    await second.event('connection');
    client.destroy();
    expect(readdirSync(endpoint.directory).sort()).toEqual(['stale.sock', 'test.sock']);
    second.listener.stop();
    expect(readdirSync(endpoint.directory)).toEqual(['test.sock']);
  });

  test('that is answered, a file, and a link are left alone', () => {
    using endpoint = new TestEndpoint();
    const file = join(endpoint.directory, 'file');
    const link = join(endpoint.directory, 'link');
    writeFileSync(file, 'precious');
    symlinkSync(join(endpoint.directory, 'elsewhere'), link);
    for (const path of [endpoint.path, file, link]) {
      expect(() => new TestEndpoint({ path })).toThrow(expect.objectContaining({ code: 'ADDRESS_IN_USE' }));
    }
    expect(readdirSync(endpoint.directory).sort()).toEqual(['file', 'link', 'test.sock']);
  });

  test('is refused below a directory that others could change, but for sticky ones', () => {
    using endpoint = new TestEndpoint();
    const make = (name: string, mode: number): string => {
      const directory = join(endpoint.directory, name);
      mkdirSync(directory);
      chmodSync(directory, mode);
      return directory;
    };
    make('shared', 0o770);
    make('shared/own', 0o700);
    make('sticky', 0o1777);
    const fits = make('sticky/own', 0o700);
    symlinkSync(fits, join(endpoint.directory, 'link'));
    symlinkSync(endpoint.directory, join(endpoint.directory, 'above'));
    for (const directory of ['shared', 'shared/own', 'sticky', 'link', 'above/sticky/own']) {
      const path = join(endpoint.directory, directory, 'other.sock');
      expect(() => new TestEndpoint({ path })).toThrow(expect.objectContaining({ code: 'DIRECTORY_UNSAFE' }));
    }
    using listener = new TestEndpoint({ path: join(fits, 'other.sock') });
    expect(existsSync(join(fits, 'other.sock'))).toBe(true);
    listener.listener.stop();
  });

  test('is at no moment open to more than it should be, and answers nobody before it is ready', async () => {
    using endpoint = new TestEndpoint();
    const path = join(endpoint.directory, 'watched.sock');
    // Looks without a pause while the socket comes and goes; a mode wider than asked for would be printed.
    const script = `
import os, socket, sys, time
seen, looks, until = set(), 0, time.time() + 1.5
while time.time() < until:
    looks += 1
    try: seen.add(os.stat(sys.argv[1]).st_mode & 0o7777)
    except FileNotFoundError: pass
print(looks > 1000, all(mode & ~0o600 == 0 for mode in seen), 0o600 in seen)
`;
    const before = process.umask(0);
    try {
      const watching = python(script, path);
      const until = Date.now() + 1200;
      while (Date.now() < until) {
        using again = new TestEndpoint({ path, mode: 0o600 });
        expect(again.of('failed')).toEqual([]);
        await sleep(1);
      }
      expect(await watching).toBe('True True True');
    } finally {
      process.umask(before);
    }
  });

  test.each([
    { path: 'relative.sock' },
    { path: `/tmp/${'x'.repeat(103)}` },
    { path: '/' },
    { path: '/tmp/../tmp/x.sock' },
    { inheritedDescriptors: -1 },
    { mode: 0o4666 },
    { mode: -1 },
    { mode: 1.5 },
    { maxFrameBytes: 0 },
    { maxFrameBytes: Number.NaN },
    { maxConnections: 0 },
    { maxConnectionsPerUid: 0 },
    { connectBurst: 0 },
    { connectsPerSecond: 0.5 },
    { busyPayload: Buffer.alloc(65_537) },
    { maxQueuedBytes: -1 },
    { maxQueuedBytesPerUid: -1 },
    { maxQueuedBytesOfRoot: 0.5 },
    { handshakeTimeoutMs: 0 },
  ])('is refused with %j', (options) => {
    expect(() => new TestEndpoint(options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('frames', () => {
  test('come whole when split at every byte', async () => {
    using endpoint = new TestEndpoint();
    const stream = Buffer.concat(['a', 'bcd', 'é'].map(frame));
    for (let at = 1; at < stream.length; at += 1) {
      const client = await endpoint.connect();
      client.write(stream.subarray(0, at));
      await sleep(2);
      client.write(stream.subarray(at));
      await endpoint.event('frame', at * 3);
      client.destroy();
    }
    const expected = Array.from({ length: stream.length - 1 }, () => ['a', 'bcd', 'é']).flat();
    expect(endpoint.texts).toEqual(expected);
  });

  test('come whole and in order however the stream is cut', async () => {
    using endpoint = new TestEndpoint({ maxConnections: 1000 });
    const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), {
      minLength: 1,
      maxLength: 100,
    });
    const cuts = fc.array(fc.integer({ min: 1, max: 2000 }), { maxLength: 20 });
    let seen = 0;
    await fc.assert(
      fc.asyncProperty(payloads, cuts, async (bodies, lengths) => {
        const client = await endpoint.connect();
        let rest = Buffer.concat(bodies.map(frame));
        for (const length of lengths) {
          client.write(rest.subarray(0, length));
          rest = rest.subarray(length);
          await sleep(0);
        }
        client.end(rest);
        await endpoint.event('frame', seen + bodies.length);
        const got = endpoint.of('frame').slice(seen);
        expect(got.map(({ data }) => data)).toEqual(bodies.map((body) => Buffer.from(body)));
        seen += bodies.length;
        await received(client);
      }),
      { numRuns: 50 },
    );
  });

  test.each([
    ['emptyFrame', Buffer.alloc(4)],
    ['frameTooLarge', Buffer.from([0, 1, 0, 1])],
    ['frameTooLarge', Buffer.from([255, 255, 255, 255])],
    ['frameTooLarge', Buffer.from([0x80, 0, 0, 0, 1])],
  ])('end the connection with %s', async (reason, bytes) => {
    using endpoint = new TestEndpoint();
    const client = await endpoint.connect();
    client.write(Buffer.concat([frame('before'), bytes]));
    expect(await endpoint.event('closed')).toMatchObject({ reason });
    expect(endpoint.texts).toEqual(['before']);
    await received(client);
  });

  test('of the largest size pass both ways', async () => {
    using endpoint: TestEndpoint = new TestEndpoint({ maxFrameBytes: 200_000 }, (event) => {
      if (event.kind === 'frame') endpoint.listener.send(event.connectionId, event.data);
    });
    const client = await endpoint.connect();
    const body = Buffer.alloc(200_000, 'abc');
    const echo = received(client);
    client.write(frame(body));
    const { connectionId, data } = await endpoint.event('frame');
    expect(data.equals(body)).toBe(true);
    await sleep(100);
    endpoint.listener.close(connectionId, 'done');
    expect((await echo).equals(frame(body))).toBe(true);
  });

  test('that cannot be sent are refused', async () => {
    using endpoint = new TestEndpoint({ maxFrameBytes: 10 });
    await endpoint.connect();
    const { connectionId } = await endpoint.event('connection');
    for (const length of [0, 11]) {
      expect(() => endpoint.listener.send(connectionId, Buffer.alloc(length))).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      );
    }
    expect(endpoint.listener.send(connectionId + 1, Buffer.from('x'))).toBe(false);
  });

  test('that do not become complete in time end the connection', async () => {
    using endpoint = new TestEndpoint({ handshakeTimeoutMs: 100 });
    const silent = await endpoint.connect();
    const dripping = await endpoint.connect();
    const bytes = [...frame(Buffer.alloc(100))];
    const drip = setInterval(() => dripping.write(Uint8Array.of(bytes.shift() ?? 0)), 20);
    expect((await endpoint.event('closed', 2)).reason).toBe('handshakeTimeout');
    clearInterval(drip);
    expect(endpoint.of('closed').map(({ reason }) => reason)).toEqual([
      'handshakeTimeout',
      'handshakeTimeout',
    ]);

    const greeted = await endpoint.connect();
    greeted.write(Buffer.concat([frame('hello'), Buffer.from([0, 0])]));
    expect(await endpoint.event('closed', 3)).toMatchObject({ reason: 'frameTimeout' });

    const idle = await endpoint.connect();
    idle.write(frame('hello'));
    await sleep(300);
    expect(endpoint.of('closed')).toHaveLength(3);
    for (const socket of [silent, dripping, greeted, idle]) socket.destroy();
  });
});

describe('the end', () => {
  test('stop closes every connection and says so', async () => {
    using endpoint = new TestEndpoint();
    const clients = await Promise.all([endpoint.connect(), endpoint.connect()]);
    await endpoint.event('connection', 2);
    const before = descriptors();
    endpoint.listener.stop();
    await endpoint.event('closed', 2);
    expect(endpoint.of('closed').map(({ reason }) => reason)).toEqual(['stopped', 'stopped']);
    await Promise.all(clients.map(received));
    expect(descriptors()).toBeLessThan(before);
  });

  test('a process lives while it listens, and no longer', () => {
    const load = new URL('./load.ts', import.meta.url).href;
    using endpoint = new TestEndpoint();
    const script = `
      import { native } from '${load}';
      const path = ${JSON.stringify(join(endpoint.directory, 'child.sock'))};
      const listener = native().EndpointListener.listen({
        path, mode: 0o600, maxFrameBytes: 10, maxConnections: 1, maxConnectionsPerUid: 1, connectBurst: 1,
        connectsPerSecond: 1, maxQueuedBytes: 10,
        maxQueuedBytesPerUid: 10, maxQueuedBytesOfRoot: 10, handshakeTimeoutMs: 1000, requireSameNamespaces: true,
      }, () => {});
      setTimeout(() => { console.log('alive'); listener.stop(); }, 300).unref();
    `;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 8000,
    });
    expect(child).toMatchObject({ status: 0, stdout: 'alive\n' });
  });

  test('an exception of the listener is the program’s, not swallowed', () => {
    const load = new URL('./load.ts', import.meta.url).href;
    using endpoint = new TestEndpoint();
    const script = `
      import net from 'node:net';
      import { native } from '${load}';
      const path = ${JSON.stringify(join(endpoint.directory, 'child.sock'))};
      process.on('uncaughtException', (error) => { console.log(error.message); process.exit(3); });
      native().EndpointListener.listen({
        path, mode: 0o600, maxFrameBytes: 10, maxConnections: 1, maxConnectionsPerUid: 1, connectBurst: 1,
        connectsPerSecond: 1, maxQueuedBytes: 10,
        maxQueuedBytesPerUid: 10, maxQueuedBytesOfRoot: 10, handshakeTimeoutMs: 1000, requireSameNamespaces: true,
      }, () => { throw new Error('mine'); });
      net.connect(path);
    `;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 8000,
    });
    expect(child).toMatchObject({ status: 3, stdout: 'mine\n' });
  });
});
