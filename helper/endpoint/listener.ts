import type { Peer } from './caller.ts';

/**
 * The native listener: credentials by the kernel, frames capped, queues bounded.
 *
 * A connection is silent until it is released; what its process sends before that ends it.
 */
export interface Listener {
  /**
   * Lets a connection speak whose process was found fit: if the process still lives it is sent a nonce, and its first
   * frame must bring that back.
   *
   * @returns false when the connection is gone
   */
  release(connectionId: number): boolean;
  /** Sends a last frame and closes. */
  refuse(connectionId: number, payload: Buffer, reason: string): void;
  /** Whether the pinned process lives and still runs the file that it ran when it connected. */
  isUnchanged(connectionId: number): boolean;
  /** By the end of the turn. Of a connection that is gone, or goes because its client does not read, `closed` tells. */
  send(connectionId: number, payload: Buffer): void;
  close(connectionId: number, reason: string): void;
  stop(): void;
}

export type ListenerEvent =
  | { readonly kind: 'connection'; readonly connectionId: number; readonly peer: Peer }
  | { readonly kind: 'frame'; readonly connectionId: number; readonly data: Uint8Array }
  | { readonly kind: 'closed'; readonly connectionId: number; readonly reason: string }
  /** The listener itself turned somebody away; there never was a connection. */
  | {
      readonly kind: 'refused';
      readonly reason: string;
      readonly pid: number | null;
      readonly uid: number | null;
      /** How many more, since the last of these, of whom nothing is said. */
      readonly unreported: number;
    };
