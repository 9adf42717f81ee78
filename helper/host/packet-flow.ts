import { ProviderError } from '@sallyport/shared/protocol/errors.ts';
import {
  AF_INET,
  AF_INET6,
  type OutgoingPackets,
  type PacketBatch,
  type PacketFlow,
} from '@sallyport/shared/provider/packet-flow.ts';
import type {
  FlowBatch,
  FlowCounters,
  FlowEngine,
  FlowSlots,
  VirtualInterface,
} from './virtual-interface.ts';

interface PendingRead {
  readonly resolve: (batch: PacketBatch) => void;
  readonly reject: (error: ProviderError) => void;
}

/** `packetFlow` of one instance. The device is touched only once the provider reads or writes. */
export class HostPacketFlow implements PacketFlow {
  readonly #device: VirtualInterface;
  readonly #failed: (message: string) => void;
  #engine: (FlowEngine & FlowSlots) | null = null;
  #waiting: FlowBatch[] = [];
  #pending: PendingRead | null = null;
  #current: HeldBatch | null = null;
  #isStopped = false;
  #lastCounters: FlowCounters | null = null;

  /** @param failed called once, when the interface is gone */
  constructor(device: VirtualInterface, failed: (message: string) => void) {
    this.#device = device;
    this.#failed = failed;
  }

  async readPackets(): Promise<PacketBatch> {
    if (this.#isStopped) throw stopped();
    if (this.#pending !== null) {
      throw new ProviderError(
        'readAlreadyPending',
        'readPackets was called before the last call settled. Await it first.',
      );
    }
    this.#current?.release();
    this.#current = null;
    this.#start();
    const next = this.#waiting.shift();
    if (next !== undefined) return this.#hold(next);
    return await new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
    });
  }

  writePackets({ buffer, ends, count, start = 0 }: OutgoingPackets): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isStopped) throw stopped();
      if (!isCount(count) || count > ends.length || !isCount(start) || start > buffer.byteLength) {
        throw new ProviderError(
          'invalidPacket',
          `count is ${String(count)} and start ${String(start)}, but there are ${String(ends.length)} ends ` +
            `and ${String(buffer.byteLength)} bytes. Give offsets within the buffer.`,
        );
      }
      this.#start().write(buffer, ends, count, start);
      resolve();
    });
  }

  /** Null before the first read or write; as they were at the end when it was stopped. */
  counters(): FlowCounters | null {
    return this.#lastCounters ?? this.#engine?.counters() ?? null;
  }

  /** Rejects the waiting read and every later call. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#pending?.reject(stopped());
    this.#pending = null;
    this.#current?.release();
    this.#current = null;
    this.#waiting = [];
    try {
      this.#lastCounters = this.#engine?.counters() ?? null;
    } finally {
      this.#engine?.stop();
    }
  }

  #start(): FlowEngine {
    this.#engine ??= this.#device.startFlow((batch) => {
      this.#receive(batch);
    }, this.#failed);
    return this.#engine;
  }

  #receive(batch: FlowBatch): void {
    if (this.#isStopped) return;
    const pending = this.#pending;
    if (pending === null) {
      this.#waiting.push(batch);
      return;
    }
    this.#pending = null;
    pending.resolve(this.#hold(batch));
  }

  #hold(batch: FlowBatch): PacketBatch {
    const slot = this.#engine?.slots[batch.slot];
    if (slot === undefined)
      throw new RangeError(`The device named slot ${String(batch.slot)}, which does not exist.`);
    const held = new HeldBatch(slot, batch, () => {
      if (!this.#isStopped) this.#engine?.release(batch.slot);
    });
    this.#current = held;
    return held;
  }
}

class HeldBatch implements PacketBatch {
  readonly buffer: Uint8Array;
  readonly ends: Uint32Array;
  readonly start: number;
  readonly count: number;
  readonly #giveBack: () => void;
  #isReleased = false;

  constructor(buffer: Uint8Array, { ends, start, count }: FlowBatch, giveBack: () => void) {
    // A Buffer's slice() does not copy as Uint8Array's does, which would surprise a provider.
    this.buffer = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    this.ends = ends;
    this.start = start;
    this.count = count;
    this.#giveBack = giveBack;
  }

  packet(index: number): Uint8Array {
    const end = this.ends[index];
    if (index < 0 || index >= this.count || end === undefined) {
      throw new RangeError(`The batch has ${String(this.count)} packets; there is none at ${String(index)}.`);
    }
    return this.buffer.subarray(index === 0 ? this.start : (this.ends[index - 1] ?? this.start), end);
  }

  family(index: number): number {
    return (this.packet(index)[0] ?? 0) >> 4 === 6 ? AF_INET6 : AF_INET;
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#giveBack();
  }
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0;
}

function stopped(): ProviderError {
  return new ProviderError('stopped', 'The tunnel has stopped; its packet flow is closed.');
}
