import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { EndpointOptions } from '@sallyport/helper/native/binding.d.ts';
import {
  connectInPython,
  frame,
  python,
  received,
  TestEndpoint,
} from '@sallyport/helper/native/testing/endpoint.ts';

/** What the native listener does with several users: other tests of it need no root, and lie beside it. */

/** Uids that nobody has: the bounds are of uids, not of people. */
const [attacker, victim] = [61_001, 61_002];

/** A listener that every uid reaches. */
function open(options: Partial<EndpointOptions>): TestEndpoint {
  const endpoint = new TestEndpoint({ mode: 0o666, ...options });
  chmodSync(endpoint.directory, 0o755);
  return endpoint;
}

/** Connects so many times as a uid, and prints how many of them brought their nonce back and what the others got. */
async function connectAs(uid: number, count: number, { path }: TestEndpoint): Promise<string> {
  const script = `
import os, socket, sys
os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
peers, greeted, told = [], 0, set()
for _ in range(int(sys.argv[3])):
    peer = socket.socket(socket.AF_UNIX); peer.connect(sys.argv[1]); peers.append(peer)
    first = peer.recv(44, socket.MSG_WAITALL)
    if first[4:12] == b'SPNONCE1': greeted += 1; peer.sendall(first)
    else: told.add(first.decode('latin1')[4:])
print(greeted, *sorted(told), sep='/')
`;
  return python(script, path, String(uid), String(count));
}

test('a socket is refused below a directory of another user', () => {
  using endpoint = new TestEndpoint();
  const foreign = join(endpoint.directory, 'foreign');
  mkdirSync(join(foreign, 'own'), { recursive: true, mode: 0o755 });
  chownSync(foreign, attacker, attacker);
  for (const directory of [foreign, join(foreign, 'own')]) {
    const path = join(directory, 'other.sock');
    expect(() => new TestEndpoint({ path })).toThrow(
      expect.objectContaining({
        code: 'DIRECTORY_UNSAFE',
        message: `${foreign} belongs to another user`,
      }),
    );
  }
});

describe('[E10] the bounds of a uid', () => {
  test('hold its connections, and nobody else’s', async () => {
    using endpoint = open({ maxConnectionsPerUid: 3, busyPayload: Buffer.from('busy') });
    expect(await connectAs(attacker, 10, endpoint)).toBe('3/busy');
    const refused = endpoint.of('refused');
    expect(refused.map(({ reason, uid }) => ({ reason, uid }))).toEqual(
      Array.from({ length: 7 }, () => ({ reason: 'tooManyConnections', uid: attacker })),
    );
    await endpoint.event('closed', 3);
    expect(await connectAs(attacker, 1, endpoint)).toBe('1');
    expect(await connectAs(victim, 3, endpoint)).toBe('3');
  });

  test('hold how fast it connects, and nobody else', async () => {
    using endpoint = open({ maxConnectionsPerUid: 16, connectBurst: 4, connectsPerSecond: 1 });
    expect(await connectAs(attacker, 10, endpoint)).toBe('4/');
    expect(endpoint.of('refused').every(({ reason }) => reason === 'tooFast')).toBe(true);
    expect(await connectAs(victim, 4, endpoint)).toBe('4');
    await sleep(1100);
    expect(await connectAs(attacker, 2, endpoint)).toBe('1/');
  });

  test('are not root’s', async () => {
    using endpoint = open({ maxConnectionsPerUid: 1, connectBurst: 1, connectsPerSecond: 1 });
    const clients = await Promise.all(Array.from({ length: 16 }, () => endpoint.connect()));
    await endpoint.event('connection', 16);
    const late = await endpoint.connectSilently();
    expect(await received(late)).toHaveLength(0);
    for (const client of clients) client.destroy();
  });

  test('leave an eighth of all places to root', async () => {
    using endpoint = open({ maxConnections: 16, maxConnectionsPerUid: 16 });
    const script = `${connectInPython.replace('peer = ', 'os.setuid(61001); peer = ')}
peers = [peer]
while peers[-1].recv(8): peers.append(peer := socket.socket(socket.AF_UNIX)); peer.connect(sys.argv[1])
print(len(peers) - 1, flush=True)
time.sleep(1)
`;
    const holding = python(script, endpoint.path);
    await endpoint.event('connection', 14);
    await endpoint.event('refused');
    const [one, other] = [await endpoint.connect(), await endpoint.connect()];
    expect(await received(await endpoint.connectSilently())).toHaveLength(0);
    expect(await holding).toBe('14');
    for (const socket of [one, other]) socket.destroy();
  });

  test('cost a served client nothing under a flood, which is told in few words', async () => {
    using endpoint: TestEndpoint = new TestEndpoint(
      { mode: 0o666, maxConnectionsPerUid: 4, connectBurst: 8, connectsPerSecond: 8 },
      (event) => {
        if (event.kind === 'frame') endpoint.listener.send(event.connectionId, event.data);
      },
    );
    chmodSync(endpoint.directory, 0o755);
    const client = await endpoint.connect();
    const script = `
import os, socket, sys, time
os.setuid(61001)
until, count = time.time() + 1.5, 0
while time.time() < until:
    peer = socket.socket(socket.AF_UNIX)
    try: peer.connect(sys.argv[1])
    except BlockingIOError: continue
    count += 1
print(count)
`;
    const flood = python(script, endpoint.path);
    await endpoint.event('refused');
    const times: number[] = [];
    for (let call = 0; call < 300; call += 1) {
      const began = performance.now();
      client.write(frame('ping'));
      for (let got = 0; got < 8;) {
        const part: unknown = client.read();
        if (Buffer.isBuffer(part)) got += part.length;
        else await new Promise((resolve) => client.once('readable', resolve));
      }
      times.push(performance.now() - began);
    }
    const count = Number(await flood);
    expect(count).toBeGreaterThan(1000);
    times.sort((one, other) => one - other);
    expect(times[Math.floor(times.length * 0.99)]).toBeLessThan(50);
    await sleep(300);
    const refused = endpoint.of('refused');
    expect(refused.length).toBeLessThan(50);
    const told = refused.reduce((sum, { unreported }) => sum + unreported + 1, 0);
    const accepted = endpoint.of('connection').length - 1;
    // Those whose process had ended before they were looked at were refused as well.
    expect(told + accepted).toBe(count);
    client.destroy();
  });
});
