import { ConnectionError, KeychainError, ProviderError } from '@sallyport/shared/protocol/errors.ts';
import type { SessionStatistics } from '@sallyport/shared/protocol/session.ts';
import type { WireGuardEvent } from '@sallyport/shared/provider/wireguard.ts';
import type { Tun, TunFlow, WireGuardDevice, WireGuardDeviceConfig } from '../native/binding.d.ts';
import type { VaultSource } from '../keychain/sealed.ts';
import { native, pinnedSlots } from '../native/load.ts';
import type {
  DeviceConfiguration,
  FlowBatch,
  FlowCounters,
  FlowEngine,
  FlowSlots,
  VirtualInterface,
  VirtualInterfaceFactory,
  WireGuardEngine,
} from './virtual-interface.ts';

/** Slots of a packet flow: the bound of what waits for a provider (contract P2). */
const slotCount = 8;
const slotBytes = 256 * 1024;

/** TUN devices of the kernel. */
export class NativeVirtualInterfaces implements VirtualInterfaceFactory {
  readonly #keys: VaultSource;

  /** @param keys opens the key files that devices are given */
  constructor(keys: VaultSource) {
    this.#keys = keys;
  }

  open(name: string): VirtualInterface {
    try {
      return new NativeVirtualInterface(native().Tun.open(name), this.#keys);
    } catch (error) {
      throw new ConnectionError('pluginFailed', explainTun(error, name), { cause: error });
    }
  }
}

class NativeVirtualInterface implements VirtualInterface {
  readonly name: string;
  readonly index: number;
  readonly #tun: Tun;
  readonly #keys: VaultSource;

  constructor(tun: Tun, keys: VaultSource) {
    this.#tun = tun;
    this.#keys = keys;
    this.name = tun.name;
    this.index = tun.index;
  }

  startWireGuard(
    configuration: DeviceConfiguration,
    onEvent: (event: WireGuardEvent) => void,
  ): WireGuardEngine {
    const vault = this.#keys.vault();
    const device = deviceCall(() =>
      native().WireGuardDevice.start(this.#tun, toNative(configuration), onEvent, vault),
    );
    return new NativeWireGuard(device, this.#keys);
  }

  startFlow(
    onBatch: (batch: FlowBatch) => void,
    onFailed: (message: string) => void,
  ): FlowSlots & FlowEngine {
    const slots = pinnedSlots(slotCount, slotBytes);
    const { SLOT_TABLE_BYTES: tableBytes } = native();
    const flow = deviceCall(() =>
      native().TunFlow.start(
        this.#tun,
        slots,
        (slot, count) => {
          const buffer = slots[slot];
          if (buffer === undefined) return;
          const ends = new Uint32Array(buffer.buffer, buffer.byteOffset, count);
          onBatch({ slot, count, ends, start: tableBytes });
        },
        onFailed,
      ),
    );
    return new NativeFlow(flow, slots);
  }

  close(): void {
    this.#tun.close();
  }
}

class NativeWireGuard implements WireGuardEngine {
  readonly #device: WireGuardDevice;
  readonly #keys: VaultSource;

  constructor(device: WireGuardDevice, keys: VaultSource) {
    this.#device = device;
    this.#keys = keys;
  }

  configure(configuration: DeviceConfiguration): void {
    const vault = this.#keys.vault();
    deviceCall(() => {
      this.#device.configure(toNative(configuration), vault);
    });
  }

  setPeerEndpoint(publicKey: string, endpoint: string): void {
    deviceCall(() => {
      this.#device.setPeerEndpoint(publicKey, endpoint);
    });
  }

  roam(): void {
    deviceCall(() => {
      this.#device.roam();
    });
  }

  statistics(): SessionStatistics {
    const counted = this.#device.statistics();
    return {
      receivedBytes: counted.receivedBytes,
      sentBytes: counted.sentBytes,
      malformedPackets:
        counted.malformedFromNetwork + counted.malformedFromTunnel + counted.refusedFromNetwork,
      droppedPackets: counted.dropped,
      peers: counted.peers.map((peer) => ({
        publicKey: peer.publicKey,
        endpoint: peer.endpoint,
        latestHandshake: peer.latestHandshakeMs === null ? null : Math.round(peer.latestHandshakeMs),
        receivedBytes: peer.receivedBytes,
        sentBytes: peer.sentBytes,
      })),
    };
  }

  stop(): void {
    this.#device.stop();
  }
}

class NativeFlow implements FlowEngine, FlowSlots {
  readonly slots: readonly Buffer[];
  readonly #flow: TunFlow;

  constructor(flow: TunFlow, slots: readonly Buffer[]) {
    this.#flow = flow;
    this.slots = slots;
  }

  release(slot: number): void {
    this.#flow.release(slot);
  }

  write(buffer: Uint8Array, ends: Uint32Array, count: number, start: number): number {
    const bytes = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    return deviceCall(() => this.#flow.write(bytes, ends, count, start));
  }

  counters(): FlowCounters {
    const counted = this.#flow.statistics();
    return {
      read: counted.read,
      written: counted.written,
      malformed: counted.malformedFromProvider + counted.malformedFromTunnel,
      dropped: counted.dropped,
      readBytes: counted.readBytes,
      writtenBytes: counted.writtenBytes,
    };
  }

  stop(): void {
    this.#flow.stop();
  }
}

function toNative(configuration: DeviceConfiguration): WireGuardDeviceConfig {
  return {
    ...configuration,
    peers: configuration.peers.map((peer) => ({ ...peer, allowedIps: [...peer.allowedIps] })),
  };
}

function deviceCall<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    const code = codeOf(error);
    const message = error instanceof Error ? error.message : String(error);
    if (code === 'SECRET_UNREADABLE') {
      throw new KeychainError(
        'storeUnreadable',
        `A key of the tunnel cannot be opened: ${message}. Import it again.`,
        {
          cause: error,
        },
      );
    }
    throw new ProviderError(
      'deviceFailed',
      code === 'PORT_IN_USE'
        ? 'The configuration’s ListenPort is in use by another program. Remove ListenPort, or end that program.'
        : `The tunnel's device failed: ${message}`,
      { cause: error, details: { code } },
    );
  }
}

function explainTun(error: unknown, name: string): string {
  switch (codeOf(error)) {
    case 'TUN_UNAVAILABLE':
      return 'There is no /dev/net/tun on this machine. Load the kernel’s module as root with: modprobe tun';
    case 'TUN_PERMISSION':
      return 'The helper may not use /dev/net/tun. Run it as root, or let an administrator run: chmod 0666 /dev/net/tun';
    case 'TUN_BUSY':
      return `Another program has the interface ${name}. End it, then connect again.`;
    default:
      return `The interface ${name} could not be made: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN';
}
