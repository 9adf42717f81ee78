import { randomBytes } from 'node:crypto';
import { release } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import {
  connectInPython,
  descriptors,
  frame,
  greetInPython,
  nonceFor,
  python,
  received,
  TestEndpoint,
} from './testing/endpoint.ts';

const held = { release: false };

/** Waits until the other end says how it took the connection, and runs a program there is no way back from. */
const becomeAnother = `os.set_inheritable(peer.fileno(), True)
os.execv('/bin/sleep', ['sleep', '1.5'])
`;

describe('[E4] a held connection', () => {
  test('says nothing and is not listened to', async () => {
    using endpoint = new TestEndpoint({}, undefined, held);
    const client = await endpoint.connectSilently();
    await endpoint.event('connection');
    await sleep(50);
    expect(client.readableLength).toBe(0);
    expect(endpoint.of('closed')).toEqual([]);
    client.destroy();
    expect((await endpoint.event('closed')).reason).toBe('peerClosed');
  });

  test.each([1, 44, 60_000])('ends with prematureFrame at %i bytes', async (length) => {
    using endpoint = new TestEndpoint({}, undefined, held);
    const client = await endpoint.connectSilently();
    client.write(Buffer.alloc(length, 1));
    expect((await endpoint.event('closed')).reason).toBe('prematureFrame');
    expect(endpoint.of('frame')).toEqual([]);
    await received(client);
    const { connectionId } = await endpoint.event('connection');
    expect(endpoint.listener.release(connectionId)).toBe(false);
  });

  test('ends with prematureFrame even if all was sent before it was accepted', async () => {
    using endpoint = new TestEndpoint({}, undefined, held);
    await python(`${connectInPython}peer.sendall(b'SPNONCE1')\nassert peer.recv(1) == b''`, endpoint.path);
    expect((await endpoint.event('closed')).reason).toBe('prematureFrame');
  });

  test('ends with handshakeTimeout', async () => {
    using endpoint = new TestEndpoint({ handshakeTimeoutMs: 100 }, undefined, held);
    const client = await endpoint.connectSilently();
    expect(await received(client)).toHaveLength(0);
    expect((await endpoint.event('closed')).reason).toBe('handshakeTimeout');
  });
});

describe('[E4] the nonce', () => {
  test('opens the connection, is not delivered, and may come with what follows', async () => {
    using endpoint = new TestEndpoint();
    const client = await endpoint.connectSilently();
    const nonce = await nonceFor(client);
    expect(nonce.subarray(0, 12).toString('latin1')).toBe('\0\0\0(SPNONCE1');
    client.write(Buffer.concat([nonce, frame('one'), frame('two').subarray(0, 5)]));
    client.write(frame('two').subarray(5));
    await endpoint.event('frame', 2);
    expect(endpoint.texts).toEqual(['one', 'two']);
    client.destroy();
  });

  test('may be split anywhere', async () => {
    using endpoint = new TestEndpoint();
    for (let at = 1; at < 44; at += 6) {
      const client = await endpoint.connectSilently();
      const nonce = await nonceFor(client);
      client.write(nonce.subarray(0, at));
      await sleep(2);
      client.write(Buffer.concat([nonce.subarray(at), frame(String(at))]));
      await endpoint.event('frame', (at - 1) / 6 + 1);
      client.destroy();
    }
    expect(endpoint.texts).toEqual(['1', '7', '13', '19', '25', '31', '37', '43']);
  });

  test('is another one for everyone, and nobody else’s helps', async () => {
    using endpoint = new TestEndpoint();
    const [one, other] = [await endpoint.connectSilently(), await endpoint.connectSilently()];
    const nonces = [await nonceFor(one), await nonceFor(other)];
    expect(nonces[0]?.equals(nonces[1] ?? Buffer.alloc(0))).toBe(false);
    one.write(nonces[1] ?? '');
    expect(await endpoint.event('closed')).toMatchObject({ reason: 'wrongNonce' });
    other.destroy();
  });

  test.each([
    ['a message', frame('{"jsonrpc":"2.0","id":1,"method":"hello"}')],
    ['another nonce', frame(Buffer.concat([Buffer.from('SPNONCE1'), randomBytes(32)]))],
    ['the beginning of a large frame', Buffer.from([0, 0, 1, 0])],
    ['an empty frame', Buffer.alloc(4)],
  ])('must come first, not %s', async (_name, bytes) => {
    using endpoint = new TestEndpoint();
    const client = await endpoint.connectSilently();
    await nonceFor(client);
    client.write(Buffer.concat([bytes, frame('late')]));
    expect((await endpoint.event('closed')).reason).toBe('wrongNonce');
    expect(endpoint.texts).toEqual([]);
  });

  test('is given once', async () => {
    using endpoint = new TestEndpoint();
    await endpoint.connect();
    const { connectionId } = await endpoint.event('connection');
    expect(endpoint.listener.release(connectionId)).toBe(false);
    expect(endpoint.listener.release(connectionId + 1)).toBe(false);
  });

  test('must come in time, and so must the first frame behind it', async () => {
    using endpoint = new TestEndpoint({ handshakeTimeoutMs: 100 });
    const client = await endpoint.connectSilently();
    await nonceFor(client);
    expect((await endpoint.event('closed')).reason).toBe('handshakeTimeout');
    const greeted = await endpoint.connect();
    expect((await endpoint.event('closed', 2)).reason).toBe('handshakeTimeout');
    for (const socket of [client, greeted]) socket.destroy();
  });

  test('brought back by another process is of no use', async () => {
    using endpoint = new TestEndpoint();
    const script = `${connectInPython}
nonce = peer.recv(44, socket.MSG_WAITALL)
if os.fork() == 0:
    peer.sendall(nonce)
    os._exit(0)
os.wait()
assert peer.recv(1) == b''
`;
    await python(script, endpoint.path);
    expect((await endpoint.event('closed')).reason).toBe('senderMismatch');
  });

  test('is not given to a process that has ended, whoever holds the connection', async () => {
    using endpoint = new TestEndpoint({}, undefined, held);
    const script = `${connectInPython}
if os.fork() == 0:
    os.close(0); os.close(1); os.close(2)
    peer.recv(1)
    os._exit(0)
`;
    await python(script, endpoint.path);
    const { connectionId } = await endpoint.event('connection');
    expect((await endpoint.event('closed')).reason).toBe('peerExited');
    expect(endpoint.listener.release(connectionId)).toBe(false);
  });
});

describe('[E4] a process that runs something else than when it connected', () => {
  test('is known as changed; what it wrote before ends its connection', async () => {
    using endpoint = new TestEndpoint({}, undefined, held);
    const client = python(`${connectInPython}time.sleep(0.3)\n${becomeAnother}`, endpoint.path);
    const { connectionId, peer } = await endpoint.event('connection');
    expect(endpoint.listener.isUnchanged(connectionId)).toBe(true);
    expect(peer.executable).toContain('python');
    const until = Date.now() + 3000;
    while (endpoint.listener.isUnchanged(connectionId)) {
      expect(Date.now()).toBeLessThan(until);
      await sleep(20);
    }
    expect(endpoint.of('closed')).toEqual([]);
    endpoint.listener.close(connectionId, 'seen');
    await client;

    const second = python(
      `${connectInPython}peer.sendall(struct.pack('>I', 2) + b'me')\n${becomeAnother}`,
      endpoint.path,
    );
    expect(await endpoint.event('closed', 2)).toMatchObject({ reason: 'prematureFrame' });
    await second;
  });

  test('is known as changed when it is gone', async () => {
    using endpoint = new TestEndpoint();
    await python(greetInPython, endpoint.path);
    const { connectionId } = await endpoint.event('closed');
    expect(endpoint.listener.isUnchanged(connectionId)).toBe(false);
  });
});

describe('[E2] a refused connection', () => {
  test('gets its frame and the end, even if it never stops writing', async () => {
    using endpoint = new TestEndpoint({}, undefined, held);
    const script = `${connectInPython}
peer.setblocking(False)
got = b''
until = time.time() + 3
while time.time() < until:
    try: got += (part := peer.recv(100))
    except BlockingIOError: part = None
    except ConnectionResetError: part = b''
    if part == b'': break
    if got:
        try: peer.send(b'x' * 1000)
        except (BlockingIOError, BrokenPipeError): pass
print(got.decode('latin1')[4:])
`;
    const client = python(script, endpoint.path);
    const { connectionId } = await endpoint.event('connection');
    endpoint.listener.refuse(connectionId, Buffer.from('not you'), 'refused');
    expect(endpoint.listener.send(connectionId, Buffer.from('more'))).toBe(false);
    expect(await client).toBe('not you');
    expect((await endpoint.event('closed')).reason).toBe('refused');
  });

  test('that does not go goes soon', async () => {
    using endpoint = new TestEndpoint({}, undefined, held);
    const script = `${connectInPython}
if os.fork() == 0: time.sleep(3); os._exit(0)
time.sleep(3)
`;
    const client = python(script, endpoint.path);
    const { connectionId } = await endpoint.event('connection');
    const before = performance.now();
    endpoint.listener.refuse(connectionId, Buffer.from('not you'), 'refused');
    expect((await endpoint.event('closed')).reason).toBe('refused');
    expect(performance.now() - before).toBeGreaterThan(400);
    expect(performance.now() - before).toBeLessThan(1500);
    await client;
  });

  test('is read no further, and gone once it was read', async () => {
    using endpoint = new TestEndpoint({}, undefined, held);
    const before = descriptors();
    for (let number = 1; number <= 50; number += 1) {
      const client = await endpoint.connectSilently();
      const { connectionId } = await endpoint.event('connection', number);
      endpoint.listener.refuse(connectionId, Buffer.from('no'), `refused ${String(number)}`);
      expect(await received(client)).toEqual(frame('no'));
      await endpoint.event('closed', number);
    }
    expect(endpoint.of('frame')).toEqual([]);
    expect(endpoint.of('closed').at(-1)?.reason).toBe('refused 50');
    expect(descriptors()).toBeLessThanOrEqual(before);
  });
});

describe('[E4] descriptors', () => {
  const send = `
passed = array.array('i', [os.open('/dev/null', os.O_RDONLY)])
try:
    peer.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
    print('sent')
except PermissionError:
    print('refused')
`;

  test('are refused at their sender, or come and end the connection', async () => {
    using endpoint = new TestEndpoint();
    const before = descriptors();
    const outcome = await python(`${greetInPython}${send}`, endpoint.path);
    const [major = 0, minor = 0] = kernelVersion();
    expect(outcome).toBe(major > 6 || (major === 6 && minor >= 16) ? 'refused' : 'sent');
    const { reason } = await endpoint.event('closed');
    expect(['peerClosed', 'peerExited', 'unexpectedDescriptors']).toContain(reason);
    expect(descriptors()).toBeLessThanOrEqual(before);
    expect(endpoint.texts).toEqual([]);
  });

  test('sent to a held connection end it too', async () => {
    using endpoint = new TestEndpoint({ olderKernel: true }, undefined, held);
    const before = descriptors();
    expect(await python(`${connectInPython}${send}peer.recv(1)`, endpoint.path)).toBe('sent');
    expect((await endpoint.event('closed')).reason).toBe('unexpectedDescriptors');
    expect(descriptors()).toBeLessThanOrEqual(before);
  });
});

describe('[E4] a kernel older than 6.5', () => {
  test('pins by number, and every check holds', async () => {
    using endpoint = new TestEndpoint({ olderKernel: true });
    const script = `${greetInPython}
peer.sendall(struct.pack('>I', 2) + b'me')
time.sleep(0.5)
if os.fork() == 0:
    peer.sendall(struct.pack('>I', 5) + b'child')
    os._exit(0)
os.wait()
peer.recv(1)
`;
    const client = python(script, endpoint.path);
    const { connectionId } = await endpoint.event('frame');
    expect(endpoint.listener.isUnchanged(connectionId)).toBe(true);
    expect(endpoint.of('connection')[0]?.peer).toMatchObject({ samePidNamespace: true });
    await client;
    expect((await endpoint.event('closed')).reason).toBe('senderMismatch');
    expect(endpoint.texts).toEqual(['me']);
  });

  test('does not take who has ended before it was accepted', async () => {
    using endpoint = new TestEndpoint({ olderKernel: true }, undefined, held);
    const script = `
import os, socket, sys
peer = socket.socket(socket.AF_UNIX)
if (child := os.fork()) == 0:
    peer.connect(sys.argv[1])
    os._exit(0)
os.waitpid(child, 0)
print(child, peer.recv(1))
`;
    const [child = ''] = (await python(script, endpoint.path)).split(' ');
    const pid = Number(child);
    const { connection, refused } = {
      connection: endpoint.of('connection'),
      refused: endpoint.of('refused'),
    };
    if (refused.length > 0) expect(refused[0]).toMatchObject({ reason: 'peerGone', pid });
    else {
      expect(connection[0]?.peer.pid).toBe(pid);
      expect((await endpoint.event('closed')).reason).toBe('peerExited');
    }
  });
});

function kernelVersion(): number[] {
  return release().split('.').map(Number);
}
