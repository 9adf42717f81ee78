import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Tun, TunFlow } from '../../helper/native/binding.d.ts';
import { native, pinnedSlots } from '../../helper/native/load.ts';
import { run } from '../rig/run.ts';
import { waitUntil } from '../rig/wait.ts';
import { ipv4Packet, rawSend } from './native-device.ts';

const here = '10.66.0.1';
const there = '10.66.0.2';

interface Batch {
  readonly slot: number;
  readonly count: number;
  readonly byteLength: number;
}

/** A flow of an interface with the address {@link here}; packets to any other address of its network reach us. */
class Fixture implements Disposable {
  readonly tun: Tun;
  readonly flow: TunFlow;
  readonly slots: Buffer[];
  readonly batches: Batch[] = [];
  readonly failures: string[] = [];

  private constructor(tun: Tun, slots: number, onBatch: (fixture: Fixture, batch: Batch) => void) {
    this.tun = tun;
    this.slots = pinnedSlots(slots, 256 * 1024);
    this.flow = native().TunFlow.start(
      tun,
      this.slots,
      (slot, count, byteLength) => {
        this.batches.push({ slot, count, byteLength });
        onBatch(this, { slot, count, byteLength });
      },
      (message) => this.failures.push(message),
    );
  }

  static async start(
    slots = 4,
    onBatch: (fixture: Fixture, batch: Batch) => void = () => undefined,
  ): Promise<Fixture> {
    const tun = native().Tun.open('sp-flow');
    // Else the kernel's own multicast mixes with what is counted.
    await run('sysctl', ['-qw', 'net.ipv6.conf.sp-flow.disable_ipv6=1']);
    const fixture = new Fixture(tun, slots, onBatch);
    const commands = [`address add ${here}/24 dev sp-flow`, 'link set sp-flow mtu 1420 multicast off up'];
    await run('ip', ['-batch', '-'], { input: commands.join('\n') });
    return fixture;
  }

  slot(index: number): Buffer {
    const slot = this.slots[index];
    if (slot === undefined) throw new Error(`There is no slot ${String(index)}.`);
    return slot;
  }

  /** The table of ends of a batch. */
  ends({ slot, count }: Batch): Uint32Array {
    const buffer = this.slot(slot);
    return new Uint32Array(buffer.buffer, buffer.byteOffset, count);
  }

  packets(batch: Batch): Buffer[] {
    let start = native().SLOT_TABLE_BYTES;
    return [...this.ends(batch)].map((end) => {
      const packet = this.slot(batch.slot).subarray(start, end);
      start = end;
      return packet;
    });
  }

  [Symbol.dispose](): void {
    this.flow.stop();
    this.tun.close();
  }
}

/** Sends everything back as if the other side did the same to us: the sums of checksums stay what they are. */
function reflect(fixture: Fixture, batch: Batch): void {
  for (const packet of fixture.packets(batch)) {
    const source = packet.readUInt32BE(12);
    packet.copyWithin(12, 16, 20);
    packet.writeUInt32BE(source, 16);
  }
  fixture.flow.write(fixture.slot(batch.slot), fixture.ends(batch), batch.count, native().SLOT_TABLE_BYTES);
  fixture.flow.release(batch.slot);
}

async function sendDatagrams(count: number): Promise<void> {
  const socket = createSocket('udp4');
  for (let index = 0; index < count; index += 1) {
    await new Promise<void>((resolve) => {
      socket.send(Buffer.from(`datagram ${String(index)}`), 7, there, () => {
        resolve();
      });
    });
  }
  socket.close();
}

test('[P1] packets come whole, in order and with where they end', async () => {
  using fixture = await Fixture.start();
  await sendDatagrams(3);
  await waitUntil('three packets', () => fixture.batches.reduce((sum, { count }) => sum + count, 0) === 3);
  const packets = fixture.batches.flatMap((batch) => fixture.packets(batch));
  expect(packets.map((packet) => packet.subarray(28).toString())).toEqual([
    'datagram 0',
    'datagram 1',
    'datagram 2',
  ]);
  for (const packet of packets) expect(packet.readUInt16BE(2)).toBe(packet.length);
  const bytes = packets.reduce((sum, packet) => sum + packet.length, 0);
  expect(fixture.batches.reduce((sum, { byteLength }) => sum + byteLength, 0)).toBe(bytes);
  expect(fixture.flow.statistics()).toMatchObject({ read: 3, readBytes: bytes, written: 0, dropped: 0 });
});

test('[P1, P4] a stream through TypeScript arrives unchanged', async () => {
  using fixture = await Fixture.start(8, reflect);
  const sent = randomBytes(24 * 1024 * 1024);
  const server = createServer().listen(0, here);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const client = connect(address.port, there);
  const [peer]: Socket[] = await once(server, 'connection');
  if (peer === undefined) throw new Error('no connection');
  client.end(sent);
  const hash = createHash('sha256');
  let length = 0;
  for await (const chunk of peer) {
    if (!(chunk instanceof Uint8Array)) throw new Error('no bytes');
    hash.update(chunk);
    length += chunk.length;
  }
  expect(length).toBe(sent.length);
  expect(hash.digest('hex')).toBe(createHash('sha256').update(sent).digest('hex'));
  if (!client.closed) await once(client, 'close');
  server.close();
  await waitUntil('all that was read to be written', () => {
    const { read, written } = fixture.flow.statistics();
    return read === written;
  });
  const statistics = fixture.flow.statistics();
  expect(statistics).toMatchObject({ malformedFromProvider: 0, malformedFromTunnel: 0, dropped: 0 });
  expect(statistics.writtenBytes).toBe(statistics.readBytes);
  expect(statistics.read).toBeGreaterThan(sent.length / 1420);
});

test('[P2] nothing is read while TypeScript has all slots', async () => {
  using fixture = await Fixture.start(2);
  const wait = async (count: number): Promise<void> => {
    await waitUntil(`${String(count)} batches`, () => fixture.batches.length === count);
  };
  for (const count of [1, 2]) {
    await sendDatagrams(1);
    await wait(count);
  }
  await sendDatagrams(1);
  await sleep(100);
  expect(fixture.batches.length).toBe(2);
  const [first] = fixture.batches;
  if (first === undefined) throw new Error('no batch');
  fixture.flow.release(first.slot);
  await wait(3);
  expect(fixture.batches.at(-1)?.slot).toBe(first.slot);
  expect(() => {
    fixture.flow.release(2);
  }).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
});

test('[P5] malformed packets are counted and dropped, from either side', async () => {
  using fixture = await Fixture.start();
  const good = ipv4Packet(there, here);
  const tooLong = ipv4Packet(there, here, 29);
  const version = Buffer.from(good);
  version[0] = 0x55;
  const write = (packets: readonly Buffer[]): number => {
    let end = 0;
    const ends = Uint32Array.from(packets, (packet) => (end += packet.length));
    return fixture.flow.write(Buffer.concat(packets), ends, packets.length);
  };
  expect(write([good, tooLong, version, Buffer.alloc(0), good])).toBe(2);
  expect(fixture.flow.statistics()).toMatchObject({ written: 2, malformedFromProvider: 3 });
  // Ends that run backwards or out of the buffer leave nothing to go by.
  expect(fixture.flow.write(good, Uint32Array.of(28, 20, 28), 3)).toBe(1);
  expect(fixture.flow.write(good, Uint32Array.of(4_000_000_000, 28), 2)).toBe(0);
  expect(fixture.flow.statistics()).toMatchObject({ written: 3, malformedFromProvider: 7 });
  expect(() => fixture.flow.write(good, Uint32Array.of(28), 2)).toThrow(/1 ends for 2/);

  for (const packet of [Buffer.alloc(30, 0xff), tooLong]) await run(...rawSend(fixture.tun.index, packet));
  await waitUntil('two counts', () => fixture.flow.statistics().malformedFromTunnel === 2);
  expect(fixture.batches).toEqual([]);
});

test('slots are checked before anything is read into them', () => {
  const tun = native().Tun.open('sp-slots');
  const start = (slots: Buffer[]) => () =>
    native().TunFlow.start(
      tun,
      slots,
      () => undefined,
      () => undefined,
    );
  const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
  const [slot] = pinnedSlots(1, 256 * 1024);
  if (slot === undefined) throw new Error('no slot');
  expect(start([])).toThrow(invalid);
  expect(start([Buffer.alloc(1000)])).toThrow(invalid);
  expect(start([slot, slot])).toThrow(invalid);
  expect(start([slot.subarray(0, 140_000), slot.subarray(100_000)])).toThrow(invalid);
  const flow = start([slot])();
  expect(start(pinnedSlots(1, 256 * 1024))).toThrow(expect.objectContaining({ code: 'TUN_BUSY' }));
  flow.stop();
  tun.close();
});

test('after stopping, writing is an error and the interface serves another flow', async () => {
  const fixture = await Fixture.start();
  const { flow, tun } = fixture;
  flow.stop();
  flow.stop();
  flow.release(0);
  const good = ipv4Packet(there, here);
  expect(() => flow.write(good, Uint32Array.of(28), 1)).toThrow(expect.objectContaining({ code: 'STOPPED' }));
  const again = native().TunFlow.start(
    tun,
    pinnedSlots(1, 256 * 1024),
    () => undefined,
    () => undefined,
  );
  expect(again.write(good, Uint32Array.of(28), 1)).toBe(1);
  again.stop();
  tun.close();
});

test('a flow whose interface is gone says so once', async () => {
  using fixture = await Fixture.start();
  await run('ip', ['link', 'delete', 'sp-flow']);
  await waitUntil('the failure', () => fixture.failures.length > 0);
  expect(fixture.failures).toEqual([expect.stringContaining('sp-flow is gone')]);
  const good = ipv4Packet(there, here);
  expect(() => fixture.flow.write(good, Uint32Array.of(28), 1)).toThrow(
    expect.objectContaining({ code: 'TUN_FAILED' }),
  );
});
