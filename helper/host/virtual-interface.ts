import type { SessionStatistics } from '@sallyport/shared/protocol/session.ts';
import type { WireGuardEvent } from '@sallyport/shared/provider/wireguard.ts';

/** A WireGuard device as native code takes it: keys by file, never by value. */
export interface DeviceConfiguration {
  readonly privateKeyFile: string;
  readonly listenPort?: number;
  readonly fwmark?: number;
  readonly mtu: number;
  readonly peers: readonly DevicePeer[];
}

export interface DevicePeer {
  readonly publicKey: string;
  readonly presharedKeyFile?: string;
  readonly allowedIps: readonly string[];
  readonly endpoint?: string;
  readonly persistentKeepalive?: number;
}

export interface WireGuardEngine {
  configure(configuration: DeviceConfiguration): void;
  setPeerEndpoint(publicKey: string, endpoint: string): void;
  roam(): void;
  statistics(): SessionStatistics;
  stop(): void;
}

/** Counters of a packet flow, in packets. */
export interface FlowCounters {
  readonly read: number;
  readonly written: number;
  readonly malformed: number;
  readonly dropped: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** The virtual interface's packets, in slots that both sides share. */
export interface FlowEngine {
  release(slot: number): void;
  /**
   * @param start offset of the first packet
   * @returns how many of the packets were well-formed and written
   */
  write(buffer: Uint8Array, ends: Uint32Array, count: number, start: number): number;
  counters(): FlowCounters;
  stop(): void;
}

/** The memory that batches lie in. */
export interface FlowSlots {
  readonly slots: readonly Buffer[];
}

export interface FlowBatch {
  readonly slot: number;
  readonly count: number;
  /** End offset of each packet in the slot. */
  readonly ends: Uint32Array;
  /** Offset of the first packet. */
  readonly start: number;
}

/** A TUN device that lives until it is closed. */
export interface VirtualInterface {
  readonly name: string;
  readonly index: number;
  startWireGuard(
    configuration: DeviceConfiguration,
    onEvent: (event: WireGuardEvent) => void,
  ): WireGuardEngine;
  startFlow(onBatch: (batch: FlowBatch) => void, onFailed: (message: string) => void): FlowEngine & FlowSlots;
  close(): void;
}

/** Makes virtual interfaces; native code on the real system, memory in tests. */
export interface VirtualInterfaceFactory {
  /**
   * @param name at most 15 characters
   * @throws {ConnectionError} `pluginFailed` with the remedy
   */
  open(name: string): VirtualInterface;
}
