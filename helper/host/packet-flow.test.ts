import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { ProviderError } from '@sallyport/shared/protocol/errors.ts';
import { AF_INET, AF_INET6, type PacketBatch } from '@sallyport/shared/provider/packet-flow.ts';
import { MemoryVirtualInterface } from '../testing/memory-virtual-interface.ts';
import { HostPacketFlow } from './packet-flow.ts';

/** Slots of the device in memory. */
const slotCount = 8;

let device: MemoryVirtualInterface;
let flow: HostPacketFlow;

beforeEach(() => {
  device = new MemoryVirtualInterface('sp-test', 7);
  flow = makeFlow(device);
});

function makeFlow(of: MemoryVirtualInterface): HostPacketFlow {
  return new HostPacketFlow(of, (message) => {
    throw new Error(message);
  });
}

function packet(version: 4 | 6, label: number): Uint8Array {
  const bytes = new Uint8Array(version === 4 ? 20 : 40).fill(label);
  bytes[0] = version << 4;
  return bytes;
}

function labels(batch: PacketBatch): (number | undefined)[] {
  return Array.from({ length: batch.count }, (_, index) => batch.packet(index)[1]);
}

function joined(...packets: Uint8Array[]): { buffer: Uint8Array; ends: Uint32Array; count: number } {
  let end = 0;
  const ends = Uint32Array.from(packets, (one) => (end += one.byteLength));
  return { buffer: Buffer.concat(packets), ends, count: packets.length };
}

/** Starts the flow without waiting for a packet. */
async function begin(): Promise<void> {
  const reading = flow.readPackets();
  device.arrive(packet(4, 0));
  (await reading).release();
}

describe('reading', () => {
  it('[P1] waits for packets and gives whole ones with their families', async () => {
    const reading = flow.readPackets();
    device.arrive(packet(4, 1), packet(6, 2), packet(4, 3));
    const batch = await reading;
    expect(labels(batch)).toEqual([1, 2, 3]);
    expect([0, 1, 2].map((index) => batch.family(index))).toEqual([AF_INET, AF_INET6, AF_INET]);
    expect(batch.packet(1).byteLength).toBe(40);
    expect(batch.packet(1).buffer).toBe(batch.buffer.buffer);
  });

  it.each([-1, 3, 0.5, Number.NaN])('[P1] has no packet at %s of three', async (index) => {
    const reading = flow.readPackets();
    device.arrive(packet(4, 1), packet(4, 2), packet(4, 3));
    const batch = await reading;
    expect(() => batch.packet(index)).toThrow(RangeError);
    expect(() => batch.family(index)).toThrow(RangeError);
  });

  it('[P1] is one read at a time', async () => {
    const first = flow.readPackets();
    await expect(flow.readPackets()).rejects.toMatchObject({
      domain: 'ProviderError',
      code: 'readAlreadyPending',
    });
    device.arrive(packet(4, 1));
    expect(labels(await first)).toEqual([1]);
  });

  it('[P1] ends the former batch, whose slot the device can fill again', async () => {
    await begin();
    for (let round = 0; round < 3 * slotCount; round += 1) {
      const reading = flow.readPackets();
      expect(device.arrive(packet(4, round))).toBe(true);
      expect(labels(await reading)).toEqual([round]);
    }
  });

  it('[P2] lets a bounded number of batches wait and then the device stop reading', async () => {
    await begin();
    let arrived = 0;
    while (device.arrive(packet(4, arrived))) arrived += 1;
    expect(arrived).toBe(slotCount);
    const batch = await flow.readPackets();
    expect(device.arrive(packet(4, 99))).toBe(false);
    batch.release();
    batch.release();
    expect(device.arrive(packet(4, arrived))).toBe(true);
    expect(device.arrive(packet(4, 99))).toBe(false);
    const rest: (number | undefined)[] = [];
    for (let read = 0; read < slotCount; read += 1) rest.push(...labels(await flow.readPackets()));
    expect(rest).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('[P4] loses, repeats and reorders nothing, in whatever order packets arrive and are read', async () => {
    const step = fc.oneof(
      fc.record({ arrive: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ read: fc.boolean() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const own = new MemoryVirtualInterface('sp-test', 7);
        const reader = makeFlow(own);
        const seen: (number | undefined)[] = [];
        let sent = 0;
        let pending: Promise<void> | null = null;
        const read = (release: boolean): Promise<void> =>
          reader.readPackets().then((batch) => {
            seen.push(...labels(batch));
            if (release) batch.release();
            pending = null;
          });
        for (const one of steps) {
          if ('read' in one) {
            pending ??= read(one.read);
            await new Promise((resolve) => setImmediate(resolve));
          } else if (
            own.arrive(...Array.from({ length: one.arrive }, (_, index) => packet(4, (sent + index) % 256)))
          ) {
            sent += one.arrive;
          }
        }
        while (seen.length < sent) await (pending ?? read(true));
        expect(seen).toEqual(Array.from({ length: sent }, (_, index) => index % 256));
        reader.stop();
        await (pending ?? Promise.resolve()).catch(() => undefined);
      }),
    );
  });
});

describe('writing', () => {
  it('[P1] writes packets in order, from any offset', async () => {
    const { buffer, ends, count } = joined(packet(4, 1), packet(6, 2), packet(4, 3));
    await flow.writePackets({ buffer, ends, count });
    await flow.writePackets({ buffer, ends: ends.subarray(1), count: 2, start: 20 });
    expect(device.written.map((written) => written[1])).toEqual([1, 2, 3, 2, 3]);
  });

  it('[P1] takes a batch as it was read', async () => {
    const reading = flow.readPackets();
    device.arrive(packet(4, 1), packet(6, 2));
    await flow.writePackets(await reading);
    expect(device.written).toEqual([packet(4, 1), packet(6, 2)]);
  });

  it('[P5] counts malformed packets and drops them', async () => {
    const wrong = [
      new Uint8Array(20),
      packet(4, 1).subarray(0, 19),
      new Uint8Array(0),
      packet(6, 1).subarray(0, 39),
    ];
    await flow.writePackets(joined(packet(4, 1), ...wrong, packet(6, 2)));
    expect(device.written).toEqual([packet(4, 1), packet(6, 2)]);
    expect(flow.counters()).toMatchObject({ written: 2, writtenBytes: 60, malformed: 4 });
  });

  it.each([{ count: 3 }, { count: -1 }, { count: 0.5 }, { count: Number.NaN }, { start: -1 }, { start: 61 }])(
    'refuses offsets outside of what was given: %o',
    async (changes) => {
      const packets = { ...joined(packet(4, 1), packet(6, 2)), ...changes };
      await expect(flow.writePackets(packets)).rejects.toMatchObject({ code: 'invalidPacket' });
      expect(device.written).toEqual([]);
    },
  );

  it('rejects when the device fails, and never throws instead', async () => {
    device.startFlow = () => {
      throw new ProviderError('deviceFailed', 'WireGuard has it.');
    };
    await expect(flow.writePackets(joined(packet(4, 1)))).rejects.toMatchObject({ code: 'deviceFailed' });
    await expect(flow.readPackets()).rejects.toMatchObject({ code: 'deviceFailed' });
  });
});

describe('stopping', () => {
  it('[P1] rejects the waiting read and whatever comes after', async () => {
    const reading = flow.readPackets();
    flow.stop();
    const stopped = { domain: 'ProviderError', code: 'stopped' };
    await expect(reading).rejects.toMatchObject(stopped);
    await expect(flow.readPackets()).rejects.toMatchObject(stopped);
    await expect(flow.writePackets(joined(packet(4, 1)))).rejects.toMatchObject(stopped);
    expect(device.written).toEqual([]);
  });

  it('touches no device that was never used', async () => {
    flow.stop();
    await expect(flow.readPackets()).rejects.toMatchObject({ code: 'stopped' });
    expect(flow.counters()).toBeNull();
    expect(device.arrive(packet(4, 1))).toBe(false);
  });

  it('gives nothing back to a device that has ended, and keeps the last counters', async () => {
    const reading = flow.readPackets();
    device.arrive(packet(4, 1));
    const batch = await reading;
    await flow.writePackets(joined(packet(6, 2)));
    flow.stop();
    batch.release();
    flow.stop();
    expect(flow.counters()).toEqual({
      read: 1,
      readBytes: 20,
      written: 1,
      writtenBytes: 40,
      malformed: 0,
      dropped: 0,
    });
  });
});
