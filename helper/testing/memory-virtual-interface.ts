import type { WireGuardEvent } from '@sallyport/shared/provider/wireguard.ts';
import type {
  DeviceConfiguration,
  FlowBatch,
  FlowEngine,
  FlowSlots,
  VirtualInterface,
  VirtualInterfaceFactory,
  WireGuardEngine,
} from '../host/virtual-interface.ts';

/** What comes before the first packet of a slot, as in native slots. */
const tableBytes = 64;

/** The in-memory twin of a TUN device: what was started on it and written to it can be looked at. */
export class MemoryVirtualInterface implements VirtualInterface {
  readonly name: string;
  readonly index: number;
  readonly written: Uint8Array[] = [];
  isClosed = false;
  device: DeviceConfiguration | null = null;
  isDeviceRunning = false;
  #onEvent: ((event: WireGuardEvent) => void) | null = null;
  #onBatch: ((batch: FlowBatch) => void) | null = null;
  #free: number[] = [];
  #slots: readonly Buffer[] = [];
  readonly #read: Uint8Array[] = [];

  constructor(name: string, index: number) {
    this.name = name;
    this.index = index;
  }

  startWireGuard(
    configuration: DeviceConfiguration,
    onEvent: (event: WireGuardEvent) => void,
  ): WireGuardEngine {
    this.device = configuration;
    this.isDeviceRunning = true;
    this.#onEvent = onEvent;
    return {
      configure: (next) => {
        this.device = next;
      },
      setPeerEndpoint: (publicKey, endpoint) => {
        const { device } = this;
        if (device === null) return;
        this.device = {
          ...device,
          peers: device.peers.map((peer) => (peer.publicKey === publicKey ? { ...peer, endpoint } : peer)),
        };
      },
      roam: () => undefined,
      statistics: () => ({
        receivedBytes: 0,
        sentBytes: 0,
        malformedPackets: 0,
        droppedPackets: 0,
        peers: (this.device?.peers ?? []).map((peer) => ({
          publicKey: peer.publicKey,
          endpoint: peer.endpoint ?? null,
          latestHandshake: null,
          receivedBytes: 0,
          sentBytes: 0,
        })),
      }),
      stop: () => {
        this.isDeviceRunning = false;
        this.#onEvent = null;
      },
    };
  }

  /** Lets the device say something. */
  emit(event: WireGuardEvent): void {
    this.#onEvent?.(event);
  }

  startFlow(onBatch: (batch: FlowBatch) => void): FlowEngine & FlowSlots {
    this.#slots = Array.from({ length: 8 }, () => Buffer.alloc(64 * 1024));
    this.#free = this.#slots.map((_slot, index) => index);
    this.#onBatch = onBatch;
    let malformed = 0;
    return {
      slots: this.#slots,
      release: (slot) => {
        this.#free.push(slot);
      },
      write: (buffer, ends, count, start) => {
        let begin = start;
        let written = 0;
        for (const end of ends.subarray(0, count)) {
          const packet = Uint8Array.from(buffer.subarray(begin, end));
          begin = end;
          if (isPacket(packet)) {
            this.written.push(packet);
            written += 1;
          } else malformed += 1;
        }
        return written;
      },
      counters: () => {
        if (this.#onBatch === null) throw new Error('The flow was stopped.');
        return {
          read: this.#read.length,
          written: this.written.length,
          malformed,
          dropped: 0,
          readBytes: bytesOf(this.#read),
          writtenBytes: bytesOf(this.written),
        };
      },
      stop: () => {
        this.#onBatch = null;
      },
    };
  }

  /** Hands packets to the reader; false when every slot is taken, as the device then stops reading. */
  arrive(...packets: Uint8Array[]): boolean {
    const slot = this.#free.shift();
    const buffer = slot === undefined ? undefined : this.#slots[slot];
    if (slot === undefined || buffer === undefined) return false;
    this.#read.push(...packets);
    const ends = new Uint32Array(packets.length);
    let offset = tableBytes;
    packets.forEach((packet, index) => {
      buffer.set(packet, offset);
      offset += packet.byteLength;
      ends[index] = offset;
    });
    this.#onBatch?.({ slot, count: packets.length, ends, start: tableBytes });
    return true;
  }

  close(): void {
    this.isClosed = true;
  }
}

/** Makes interfaces in memory and keeps them for the test to look at. */
export class MemoryVirtualInterfaces implements VirtualInterfaceFactory {
  readonly made: MemoryVirtualInterface[] = [];
  /** Thrown by the next `open`. */
  failure: Error | null = null;

  open(name: string): MemoryVirtualInterface {
    if (this.failure !== null) throw this.failure;
    if (this.made.some((device) => device.name === name && !device.isClosed)) {
      throw new Error(`The interface ${name} exists already.`);
    }
    const device = new MemoryVirtualInterface(name, this.made.length + 1);
    this.made.push(device);
    return device;
  }

  /** @throws {Error} none was made yet */
  get latest(): MemoryVirtualInterface {
    const device = this.made.at(-1);
    if (device === undefined) throw new Error('No virtual interface was made.');
    return device;
  }

  get alive(): MemoryVirtualInterface[] {
    return this.made.filter((device) => !device.isClosed);
  }
}

/** Whether native code would take it, as far as its version and smallest header say. */
function isPacket(bytes: Uint8Array): boolean {
  const version = (bytes[0] ?? 0) >> 4;
  return (version === 4 && bytes.byteLength >= 20) || (version === 6 && bytes.byteLength >= 40);
}

function bytesOf(packets: readonly Uint8Array[]): number {
  return packets.reduce((sum, packet) => sum + packet.byteLength, 0);
}
