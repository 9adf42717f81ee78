/** `AF_INET` and `AF_INET6` as `readPackets` reports them, Linux numbers. */
export const AF_INET = 2;
export const AF_INET6 = 10;

/**
 * A batch of whole IP packets in one buffer (contract P1).
 *
 * Packet `i` lies from `ends[i - 1]` (`start` for the first) to `ends[i]`. Valid until the next read or `release()`,
 * whichever comes first; the buffer is used again after that.
 */
export interface PacketBatch {
  readonly buffer: Uint8Array;
  /** End offset of each packet in `buffer`, in bytes. */
  readonly ends: Uint32Array;
  /** Offset of the first packet in `buffer`, in bytes. */
  readonly start: number;
  readonly count: number;
  packet(index: number): Uint8Array;
  /** `AF_INET` or `AF_INET6`. */
  family(index: number): number;
  release(): void;
}

/** What `writePackets` takes: whole IP packets back to back, with their end offsets. */
export interface OutgoingPackets {
  readonly buffer: Uint8Array;
  readonly ends: Uint32Array;
  /** Offset of the first packet, in bytes; 0 unless told. A batch that was read can be written as it is. */
  readonly start?: number;
  readonly count: number;
}

/** `NEPacketTunnelFlow`: the IP packets that the system sends into the virtual interface, and the way back. */
export interface PacketFlow {
  /**
   * Waits for at least one packet and takes what is there.
   *
   * @throws {ProviderError} `readAlreadyPending` when a read is under way, `stopped` after the instance stopped
   */
  readPackets(): Promise<PacketBatch>;
  /**
   * Writes packets to the virtual interface. Malformed ones are counted and dropped (contract P5).
   *
   * @throws {ProviderError} `stopped` after the instance stopped
   */
  writePackets(packets: OutgoingPackets): Promise<void>;
}
