import { ProviderError } from '@sallyport/shared/protocol/errors.ts';
import {
  AF_INET,
  AF_INET6,
  type OutgoingPackets,
  type PacketBatch,
  type PacketFlow,
} from '@sallyport/shared/provider/packet-flow.ts';
import type { FlowBatch, FlowCounters, FlowEngine, FlowSlots, VirtualInterface } from './virtual-interface.ts';

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

  /** @param failed called once, when the interface is gone */
  constructor(device: VirtualInterface, failed: (message: string) => void) {
    this.#device = device;
    this.#failed = failed;
  }

  readPackets(): Promise<PacketBatch> {
    if (this.#isStopped) return Promise.reject(stopped());
    if (this.#pending !== null) {
      return Promise.reject(
        new ProviderError('readAlreadyPending', 'readPackets was called before the last call settled. Await it first.'),
      );
    }
    this.#current?.release();
    this.#current = null;
    this.#start();
    const next = this.#waiting.shift();
    if (next !== undefined) return Promise.resolve(this.#hold(next));
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
    });
  }

  writePackets(packets: OutgoingPackets): Promise<void> {
    if (this.#isStopped) return Promise.reject(stopped());
    if (packets.count > packets.ends.length) {
      return Promise.reject(
        new ProviderError('invalidPacket', `count is ${String(packets.count)}, but ends has ${String(packets.ends.length)} entries.`),
      );
    }
    this.#start().write(packets.buffer, packets.ends, packets.count, packets.start ?? 0);
    return Promise.resolve();
  }

  counters(): FlowCounters | null {
    return this.#engine?.counters() ?? null;
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
    this.#engine?.stop();
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
    if (slot === undefined) throw new RangeError(`The device named slot ${String(batch.slot)}, which does not exist.`);
    this.#engine?.countRead((batch.ends[batch.count - 1] ?? batch.start) - batch.start);
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
    this.buffer = buffer;
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

function stopped(): ProviderError {
  return new ProviderError('stopped', 'The tunnel has stopped; its packet flow is closed.');
}
