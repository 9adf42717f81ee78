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
  /** @returns how many of the packets were well-formed and written */
  write(buffer: Uint8Array, ends: Uint32Array, count: number): number;
  counters(): FlowCounters;
  stop(): void;
}

export interface FlowBatch {
  readonly slot: number;
  readonly count: number;
  readonly ends: Uint32Array;
}

/** A TUN device that lives until it is closed. */
export interface VirtualInterface {
  readonly name: string;
  readonly index: number;
  startWireGuard(configuration: DeviceConfiguration, onEvent: (event: WireGuardEvent) => void): WireGuardEngine;
  startFlow(slots: readonly Buffer[], onBatch: (batch: FlowBatch) => void): FlowEngine;
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
