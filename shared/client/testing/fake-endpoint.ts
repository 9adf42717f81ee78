import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import { EndpointError, serializeError } from '../../protocol/errors.ts';
import { encodeFrame, FrameDecoder } from '../../protocol/frames.ts';
import { noncePayload } from '../../protocol/handshake.ts';
import { maximumFrameBytes } from '../../protocol/limits.ts';
import { decodePayload, encodePayload, messageToServerSchema } from '../../protocol/messages.ts';
import {
  methodNames,
  methods,
  type MethodName,
  type MethodRequest,
  type MethodResult,
  type NotificationName,
  type NotificationParams,
} from '../../protocol/methods.ts';

/** Answers one request; what it throws goes to the client as a typed error. */
export type FakeHandler<M extends MethodName> = (
  params: MethodRequest<M>,
  peer: FakePeer,
) => MethodResult<M> | Promise<MethodResult<M>>;

export type FakeHandlers = { readonly [M in MethodName]: FakeHandler<M> };

/** One connected client, from the server's side. */
export class FakePeer {
  /** Whether it called `events.subscribe`. */
  subscribed = false;
  /** Whether it called `log.read` with `follow`. */
  followsLog = false;
  /** Ids of requests that it cancelled. */
  readonly cancelled: number[] = [];
  readonly #socket: Socket;
  readonly #nonce = noncePayload(randomBytes(32));
  #isVerified = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Sends the nonce that its first frame must bring back. */
  greet(): void {
    this.sendBytes(encodeFrame(this.#nonce));
  }

  /** Whether a payload is a message; the first is the nonce instead. @throws {Error} it should be and is not */
  takes(payload: Uint8Array): boolean {
    if (this.#isVerified) return true;
    if (Buffer.compare(payload, this.#nonce) !== 0) throw new Error('The first frame is not the nonce.');
    this.#isVerified = true;
    return false;
  }

  send(message: object): void {
    this.sendBytes(encodeFrame(encodePayload(message)));
  }

  /** Anything at all, to see what a client makes of it. */
  sendBytes(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  notify<N extends NotificationName>(method: N, params: NotificationParams<N>): void {
    this.send({ jsonrpc: '2.0', method, params });
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/**
 * The endpoint's transport for tests: real socket, real handshake, real frames, every request checked against the same schemas.
 *
 * Written without the library that the client uses, so that the two check each other.
 */
export class FakeEndpoint {
  readonly path: string;
  readonly peers = new Set<FakePeer>();
  /** Method names in the order in which they came. */
  readonly requests: MethodName[] = [];
  /** How a client is received: with a nonce, unless a test has something else in mind. */
  greet: (peer: FakePeer) => void = (peer) => {
    peer.greet();
  };
  readonly #handlers: FakeHandlers;
  readonly #directory: string;
  #server: Server | null = null;

  private constructor(directory: string, handlers: FakeHandlers) {
    this.#directory = directory;
    this.path = join(directory, 'endpoint.sock');
    this.#handlers = handlers;
  }

  /** Listens in a new directory of mode 0700. */
  static async listen(handlers: FakeHandlers): Promise<FakeEndpoint> {
    const endpoint = new FakeEndpoint(await mkdtemp(join(tmpdir(), 'sallyport-fake-')), handlers);
    await endpoint.resume();
    return endpoint;
  }

  /** Listens again after `pause`. */
  resume(): Promise<void> {
    const server = createServer((socket) => {
      this.#serve(socket);
    });
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.path, resolve);
    });
  }

  /** Drops every client and stops listening, as a helper that dies. */
  async pause(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const peer of this.peers) peer.destroy();
    if (server === null) return;
    await new Promise<void>((resolve) => {
      server.close(() => {
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    await this.pause();
    await rm(this.#directory, { recursive: true, force: true });
  }

  #serve(socket: Socket): void {
    const peer = new FakePeer(socket);
    this.peers.add(peer);
    const decoder = new FrameDecoder(maximumFrameBytes);
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const payload of decoder.push(chunk)) {
          if (peer.takes(payload)) this.#receive(peer, decodePayload(payload));
        }
      } catch {
        socket.destroy();
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.peers.delete(peer);
    });
    this.greet(peer);
  }

  #receive(peer: FakePeer, value: unknown): void {
    const message = messageToServerSchema.parse(value);
    if (!('id' in message)) {
      const { id } = message.params;
      if (message.method === '$/cancelRequest' && typeof id === 'number') peer.cancelled.push(id);
      return;
    }
    const method = methodNames.find((name) => name === message.method);
    if (method === undefined) {
      peer.send({ jsonrpc: '2.0', id: message.id, error: { code: -32601, message: 'no such method' } });
      return;
    }
    this.requests.push(method);
    void this.#answer(peer, message.id, method, this.#handlers[method], message.params);
  }

  async #answer<M extends MethodName>(
    peer: FakePeer,
    id: number,
    method: M,
    handler: FakeHandler<M>,
    params: unknown,
  ): Promise<void> {
    try {
      const request = paramsSchema(method).safeParse(params);
      if (!request.success) {
        throw new EndpointError(
          'invalidParameters',
          `The parameters of ${method} are invalid: ${request.error.message}`,
        );
      }
      const result = resultSchema(method).parse(await handler(request.data, peer));
      peer.send({ jsonrpc: '2.0', id, result });
    } catch (error) {
      const data = serializeError(error);
      peer.send({ jsonrpc: '2.0', id, error: { code: -32000, message: data.message, data } });
    }
  }
}

function paramsSchema<M extends MethodName>(method: M): z.ZodType<MethodRequest<M>> {
  const table: { readonly [N in MethodName]: { readonly params: z.ZodType<MethodRequest<N>> } } = methods;
  return table[method].params;
}

function resultSchema<M extends MethodName>(method: M): z.ZodType<MethodResult<M>> {
  const table: { readonly [N in MethodName]: { readonly result: z.ZodType<MethodResult<N>> } } = methods;
  return table[method].result;
}
