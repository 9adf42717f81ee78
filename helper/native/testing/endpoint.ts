import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { frameHeaderBytes } from '@sallyport/shared/protocol/frames.ts';
import { noncePayloadBytes } from '@sallyport/shared/protocol/handshake.ts';
import type { EndpointEvent, EndpointListener, EndpointOptions } from '../binding.d.ts';
import { native } from '../load.ts';

type Batch = Extract<EndpointEvent, { kind: 'frames' }>;

/** An event of the listener, each frame by itself. */
export type SingleEvent =
  | Exclude<EndpointEvent, Batch>
  | { readonly kind: 'frame'; readonly connectionId: number; readonly data: Buffer };
type Kind = SingleEvent['kind'];
type EventOf<K extends Kind> = Extract<SingleEvent, { kind: K }>;

/** Takes frames that came together apart. */
export function singleEvents(event: EndpointEvent): readonly SingleEvent[] {
  if (event.kind !== 'frames') return [event];
  const { connectionId, payloads } = event;
  return payloads.map((data) => ({ kind: 'frame', connectionId, data }));
}

/** What a listener does with a connection at once: lets it speak, or leaves it held. */
export interface Reception {
  readonly release: boolean;
}

/** A listener in a directory of its own that remembers its events and releases everyone; gone with `using`. */
export class TestEndpoint implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'sallyport-endpoint-'));
  readonly path = join(this.directory, 'test.sock');
  readonly #events: { [K in Kind]: EventOf<K>[] } = {
    connection: [],
    frame: [],
    closed: [],
    refused: [],
    failed: [],
  };
  readonly #listener: EndpointListener;
  readonly #watchers = new Set<() => void>();

  constructor(
    options: Partial<EndpointOptions> = {},
    onEvent?: (event: SingleEvent) => void,
    { release }: Reception = { release: true },
  ) {
    try {
      this.#listener = native().EndpointListener.listen(
        { ...defaults, path: this.path, ...options },
        (batch) => {
          for (const event of singleEvents(batch)) {
            const same: SingleEvent[] = this.#events[event.kind];
            same.push(event);
            if (release && event.kind === 'connection') this.#listener.release(event.connectionId);
            onEvent?.(event);
          }
          for (const watcher of this.#watchers) watcher();
        },
      );
    } catch (error) {
      rmSync(this.directory, { recursive: true, force: true });
      throw error;
    }
  }

  get listener(): EndpointListener {
    return this.#listener;
  }

  /** All events of a kind so far, in order. */
  of<K extends Kind>(kind: K): readonly EventOf<K>[] {
    return this.#events[kind];
  }

  /** Payloads of all frames, as text. */
  get texts(): string[] {
    return this.of('frame').map((frame) => frame.data.toString());
  }

  /** Waits for the event of a kind with that number, the first being 1. */
  async event<K extends Kind>(kind: K, number = 1, timeout = 5000): Promise<EventOf<K>> {
    const { promise, resolve, reject } = Promise.withResolvers<EventOf<K>>();
    const look = (): void => {
      const found = this.of(kind)[number - 1];
      if (found !== undefined) resolve(found);
    };
    const timer = setTimeout(() => {
      reject(new Error(`No ${kind} number ${String(number)} in ${String(timeout)} ms`));
    }, timeout);
    this.#watchers.add(look);
    look();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(look);
    }
  }

  /** A client in this process that is connected and has said nothing. */
  async connectSilently(): Promise<net.Socket> {
    const socket = net.connect(this.path);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  }

  /** A client in this process that has brought its nonce back. */
  async connect(): Promise<net.Socket> {
    const socket = await this.connectSilently();
    socket.write(await nonceFor(socket));
    return socket;
  }

  [Symbol.dispose](): void {
    this.#listener.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const defaults: Omit<EndpointOptions, 'path'> = {
  mode: 0o600,
  maxFrameBytes: 65_536,
  maxConnections: 16,
  maxConnectionsPerUid: 16,
  connectBurst: 1000,
  connectsPerSecond: 1000,
  maxQueuedBytes: 65_536,
  maxQueuedBytesPerUid: 1_048_576,
  maxQueuedBytesOfRoot: 1_048_576,
  handshakeTimeoutMs: 5000,
  requireSameNamespaces: true,
};

/** Bytes of a nonce's frame. */
const nonceFrameBytes = frameHeaderBytes + noncePayloadBytes;

/** A frame as it goes over the wire. */
export function frame(payload: string | Uint8Array): Buffer {
  const body = Buffer.from(payload);
  const header = Buffer.alloc(4);
  header.writeUInt32BE(body.length);
  return Buffer.concat([header, body]);
}

/** The frame that a client's first must equal. */
export async function nonceFor(socket: net.Socket): Promise<Buffer> {
  for (;;) {
    const found: unknown = socket.read(nonceFrameBytes);
    if (Buffer.isBuffer(found)) return found;
    if (socket.closed || socket.readableEnded) throw new Error('The connection ended before a nonce came.');
    await once(socket, 'readable');
  }
}

/** Resolves with everything that comes until the other end closes. */
export async function received(socket: net.Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  if (!socket.closed) await once(socket, 'close');
  return Buffer.concat(parts);
}

/** Runs a client written in Python, which can do to a socket what Node cannot. */
export async function python(script: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('python3', ['-c', script, ...args], { timeout: 20_000 });
  return stdout.trim();
}

/** The beginning of such a client; its first argument is the socket's path. It is connected and has said nothing. */
export const connectInPython = `
import array, os, socket, struct, sys, time
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
`;

/** The same for one that has brought its nonce back. */
export const greetInPython = `${connectInPython}
nonce = peer.recv(${String(nonceFrameBytes)}, socket.MSG_WAITALL)
peer.sendall(nonce)
`;

/** How many descriptors this process has open. */
export function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}
