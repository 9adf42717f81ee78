import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { greetInPython, descriptors, frame, received, TestEndpoint } from './testing/endpoint.ts';

describe('bounds', () => {
  test('a peer that does not read is dropped', async () => {
    using endpoint = new TestEndpoint({ maxQueuedBytes: 100_000 });
    const client = await endpoint.connect();
    client.pause();
    const { connectionId } = await endpoint.event('connection');
    const payload = Buffer.alloc(10_000);
    let sent = 0;
    while (endpoint.listener.send(connectionId, payload)) {
      sent += 1;
      expect(sent).toBeLessThan(1000);
    }
    expect(sent).toBeGreaterThan(10);
    expect((await endpoint.event('closed')).reason).toBe('slowReader');
    client.destroy();
  });

  test('peers of one uid that do not read have one bound together, and leave nothing behind', async () => {
    const together = 1_000_000;
    using endpoint = new TestEndpoint({
      maxQueuedBytes: 400_000,
      maxQueuedBytesPerUid: together,
      maxQueuedBytesOfRoot: together,
    });
    /** Sends to six who do not read who could have 400,000 bytes waiting each. */
    const fill = async (first: number): Promise<{ clients: Socket[]; dropped: number }> => {
      const clients: Socket[] = [];
      let dropped = 0;
      for (let number = first; number < first + 6; number += 1) {
        const client = await endpoint.connect();
        client.pause();
        clients.push(client);
        const { connectionId } = await endpoint.event('connection', number);
        // The kernel holds about 200,000 of these, so that none goes over its own bound.
        for (let sent = 0; sent < 500_000; sent += 10_000) {
          if (endpoint.listener.send(connectionId, Buffer.alloc(10_000))) continue;
          dropped += 1;
          break;
        }
      }
      return { clients, dropped };
    };
    const { clients, dropped } = await fill(1);
    expect(dropped).toBeGreaterThanOrEqual(1);
    expect(dropped).toBeLessThanOrEqual(4);
    expect((await endpoint.event('closed', dropped)).reason).toBe('slowReader');
    expect(endpoint.of('closed').every(({ reason }) => reason === 'slowReader')).toBe(true);
    for (const client of clients) client.destroy();
    await endpoint.event('closed', 6);
    const again = await fill(7);
    expect(again.dropped).toBe(dropped);
    for (const client of again.clients) client.destroy();
  });

  test('what waited is sent in order once the peer reads', async () => {
    using endpoint = new TestEndpoint({
      maxQueuedBytes: 5_000_000,
      maxQueuedBytesOfRoot: 5_000_000,
      maxQueuedBytesPerUid: 5_000_000,
    });
    const client = await endpoint.connect();
    client.pause();
    const { connectionId } = await endpoint.event('connection');
    const bodies = Array.from({ length: 500 }, (_, index) => Buffer.alloc(5000, String(index)));
    for (const body of bodies) expect(endpoint.listener.send(connectionId, body)).toBe(true);
    const parts: Buffer[] = [];
    let length = 0;
    client.on('data', (part: Buffer) => {
      parts.push(part);
      length += part.length;
    });
    client.resume();
    while (length < 500 * 5004) await once(client, 'data');
    expect(Buffer.concat(parts).equals(Buffer.concat(bodies.map(frame)))).toBe(true);
    client.destroy();
  });

  test('a flood waits in the peer while JavaScript is busy, and nothing of it is lost', async () => {
    using endpoint = new TestEndpoint({ maxFrameBytes: 1000 });
    const script = `${greetInPython}
peer.setblocking(False)
data = (struct.pack('>I', 100) + b'x' * 100) * 50000
sent, until = 0, time.time() + 0.4
while time.time() < until and sent < len(data):
    try: sent += peer.send(data[sent:sent + 65536])
    except BlockingIOError: time.sleep(0.005)
print(sent, flush=True)
peer.setblocking(True)
peer.sendall(data[sent:])
peer.recv(1)
`;
    const client = spawn('python3', ['-c', script, endpoint.path], { stdio: ['ignore', 'pipe', 'inherit'] });
    await endpoint.event('connection');
    // Nothing of JavaScript runs for a while.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 800);
    const [accepted] = await once(client.stdout, 'data');
    expect(Number(String(accepted))).toBeLessThan(2_000_000);
    const { connectionId } = await endpoint.event('frame', 50_000, 10_000);
    expect(endpoint.of('frame')).toHaveLength(50_000);
    expect(endpoint.of('frame').every(({ data }) => data.length === 100)).toBe(true);
    endpoint.listener.close(connectionId, 'enough');
    await once(client, 'exit');
    expect((await endpoint.event('closed')).reason).toBe('enough');
  });

  test('more connections than allowed are closed at once, and places come back', async () => {
    using endpoint = new TestEndpoint({ maxConnections: 2 });
    const first = await endpoint.connect();
    const second = await endpoint.connect();
    const third = await endpoint.connectSilently();
    expect(await received(third)).toHaveLength(0);
    expect(await endpoint.event('refused')).toMatchObject({ reason: 'tooManyConnections', pid: process.pid });
    first.destroy();
    await endpoint.event('closed');
    const fourth = await endpoint.connect();
    await endpoint.event('connection', 3);
    for (const socket of [second, fourth]) socket.destroy();
  });

  test('200 connections leave no descriptor behind', async () => {
    using endpoint = new TestEndpoint();
    const cycle = async (number: number): Promise<void> => {
      const client = await endpoint.connect();
      client.write(frame('hello'));
      const { connectionId } = await endpoint.event('frame', number);
      endpoint.listener.send(connectionId, Buffer.from('bye'));
      if (number % 2 === 0) endpoint.listener.close(connectionId, 'bye');
      else client.destroy();
      await endpoint.event('closed', number);
      if (!client.closed) await received(client);
    };
    for (let number = 1; number <= 20; number += 1) await cycle(number);
    const before = descriptors();
    for (let number = 21; number <= 220; number += 1) await cycle(number);
    expect(descriptors()).toBeLessThanOrEqual(before);
    expect(new Set(endpoint.of('connection').map(({ connectionId }) => connectionId)).size).toBe(220);
  });
});
