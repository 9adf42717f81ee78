import { encodeFrames, frameHeaderBytes } from '@sallyport/shared/protocol/frames.ts';

/** What frames go out through: the native listener. */
export interface FrameSink {
  send(connectionId: number, payload: Uint8Array): boolean;
  sendTogether(connectionId: number, frames: Uint8Array): boolean;
}

/** Bytes after which a turn's frames do not wait for its end. */
const mostHeld = 256 * 1024;

interface Held {
  readonly payloads: Uint8Array[];
  bytes: number;
}

/**
 * Sends what one turn of the event loop has for a connection together.
 *
 * A client with many requests under way gets many answers in one turn; each system call costs more than all else that
 * an answer takes.
 */
export class TurnOutbox {
  readonly #sink: FrameSink;
  readonly #held = new Map<number, Held>();

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  add(connection: number, payload: Uint8Array): void {
    let held = this.#held.get(connection);
    if (held === undefined) {
      held = { payloads: [], bytes: 0 };
      this.#held.set(connection, held);
      process.nextTick(() => {
        this.flush(connection);
      });
    }
    held.payloads.push(payload);
    held.bytes += frameHeaderBytes + payload.byteLength;
    if (held.bytes > mostHeld) this.flush(connection);
  }

  /** Sends what a connection has; nothing is no mistake. */
  flush(connection: number): void {
    const held = this.#held.get(connection);
    if (held === undefined) return;
    this.#held.delete(connection);
    const [first, ...others] = held.payloads;
    if (first === undefined) return;
    if (others.length === 0) this.#sink.send(connection, first);
    else this.#sink.sendTogether(connection, encodeFrames(held.payloads));
  }

  flushAll(): void {
    for (const connection of [...this.#held.keys()]) this.flush(connection);
  }
}
