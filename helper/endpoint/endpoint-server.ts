import {
  createMessageConnection,
  ResponseError,
  type CancellationToken,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import { EndpointError, serializeError } from '@sallyport/shared/protocol/errors.ts';
import { encodePayload } from '@sallyport/shared/protocol/messages.ts';
import type { Role } from '@sallyport/shared/protocol/authorization.ts';
import type { NotificationName, NotificationParams } from '@sallyport/shared/protocol/methods.ts';
import type { CategoryLog } from '../log/logger.ts';
import { verifyCaller, type CallerRequirement, type Peer } from './caller.ts';
import { dispatch, type Caller, type MethodHandlers } from './dispatch.ts';
import { applicationError, FrameReader, FrameWriter } from './frame-connection.ts';

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
  /** @returns false when the connection is gone, or goes because its client does not read; then `closed` follows */
  send(connectionId: number, payload: Buffer): boolean;
  close(connectionId: number, reason: string): void;
  stop(): void;
}

export type ListenerEvent =
  | { readonly kind: 'connection'; readonly connectionId: number; readonly peer: Peer }
  | { readonly kind: 'frame'; readonly connectionId: number; readonly data: Uint8Array }
  | { readonly kind: 'closed'; readonly connectionId: number; readonly reason: string };

export interface EndpointServerOptions {
  readonly requirement: CallerRequirement;
  readonly handlers: MethodHandlers;
  readonly log: CategoryLog;
  /** A client's connection ended. */
  readonly onClosed: (connection: number) => void;
}

interface Client {
  readonly caller: Caller;
  readonly reader: FrameReader;
  readonly rpc: MessageConnection;
  /** Requests that wait for their handler; aborted when the client goes. */
  readonly requests: Set<AbortController>;
  hasGreeted: boolean;
}

/** Serves verified connections; the listener's events come in through `handle`. */
export class EndpointServer {
  readonly #options: EndpointServerOptions;
  readonly #clients = new Map<number, Client>();
  #listener: Listener | null = null;

  constructor(options: EndpointServerOptions) {
    this.#options = options;
  }

  /** Opens the listener, whose events come after this call. */
  start(listen: (onEvent: (event: ListenerEvent) => void) => Listener): void {
    this.#listener = listen((event) => {
      this.#handle(event);
    });
  }

  /** Sends a notification to one client; one that is gone is no error. */
  notify<N extends NotificationName>(connection: number, name: N, params: NotificationParams<N>): void {
    const client = this.#clients.get(connection);
    client?.rpc.sendNotification(name, params).catch((error: unknown) => {
      // A client that misses one must not go on as if it had it; when it comes back it gets a snapshot.
      this.#drop(connection, `the notification ${name} could not be sent: ${serializeError(error).message}`);
    });
  }

  roleOf(connection: number): Role | null {
    return this.#clients.get(connection)?.caller.role ?? null;
  }

  stop(): void {
    this.#listener?.stop();
    this.#listener = null;
    for (const id of [...this.#clients.keys()]) this.#closed(id, 'the helper stops');
  }

  #handle(event: ListenerEvent): void {
    switch (event.kind) {
      case 'connection':
        this.#accept(event.connectionId, event.peer);
        break;
      case 'frame': {
        const client = this.#clients.get(event.connectionId);
        const problem = client?.reader.receive(event.data) ?? null;
        if (problem !== null) this.#drop(event.connectionId, problem);
        break;
      }
      case 'closed':
        this.#closed(event.connectionId, event.reason);
        break;
    }
  }

  #accept(id: number, peer: Peer): void {
    const verdict = verifyCaller(peer, this.#options.requirement);
    const facts = { connection: id, pid: peer.pid, uid: peer.uid, executable: peer.executable };
    if (verdict.role === null) {
      this.#options.log('warning', `A caller was refused: ${verdict.reason}.`, facts);
      this.#refuse(id, verdict.reason);
      return;
    }
    const reader = new FrameReader();
    const writer = new FrameWriter({
      send: (payload) => {
        if (this.#clients.has(id)) this.#listener?.send(id, asBuffer(payload));
      },
      close: (reason) => {
        this.#listener?.close(id, reason);
      },
    });
    const rpc = createMessageConnection(reader, writer);
    const caller: Caller = { connection: id, uid: peer.uid, pid: peer.pid, role: verdict.role };
    const client: Client = { caller, reader, rpc, requests: new Set(), hasGreeted: false };
    this.#clients.set(id, client);
    rpc.onRequest((method, params, token) => this.#request(client, method, params, token));
    rpc.listen();
    this.#listener?.release(id);
    this.#options.log('info', `A client connected as ${verdict.role}.`, facts);
  }

  async #request(
    client: Client,
    method: string,
    params: unknown,
    token: CancellationToken,
  ): Promise<unknown> {
    const abort = new AbortController();
    client.requests.add(abort);
    const subscription = token.onCancellationRequested(() => {
      abort.abort();
    });
    try {
      if (!client.hasGreeted && method !== 'hello') {
        throw new EndpointError('invalidParameters', 'The first request of a connection must be hello.');
      }
      const result = await dispatch(this.#options.handlers, method, params, client.caller, abort.signal);
      if (method === 'hello') client.hasGreeted = true;
      return result;
    } catch (error) {
      const data = serializeError(error);
      if (data.number === 0) {
        this.#options.log('error', `The request ${method.slice(0, 100)} failed unexpectedly.`, {
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        });
      }
      throw new ResponseError(applicationError, data.message, data);
    } finally {
      subscription.dispose();
      client.requests.delete(abort);
    }
  }

  /** An unverified caller gets one typed error, as the answer to nothing it asked, and a closed connection (E2). */
  #refuse(id: number, reason: string): void {
    const error = new EndpointError('accessDenied', `The helper does not accept this program: ${reason}.`);
    const message = {
      jsonrpc: '2.0',
      id: null,
      error: { code: applicationError, message: error.message, data: serializeError(error) },
    };
    this.#listener?.refuse(id, asBuffer(encodePayload(message)), 'refused');
  }

  #drop(id: number, reason: string): void {
    if (!this.#clients.has(id)) return;
    this.#listener?.close(id, reason);
    // Forgotten first: a client that follows the log would be told of its own end.
    this.#closed(id, reason);
    this.#options.log('warning', `A client was disconnected: ${reason}.`, { connection: id });
  }

  #closed(id: number, reason: string): void {
    const client = this.#clients.get(id);
    if (client === undefined) return;
    this.#clients.delete(id);
    for (const request of client.requests) request.abort();
    client.reader.closed();
    client.rpc.dispose();
    this.#options.onClosed(id);
    this.#options.log('debug', `A client's connection ended: ${reason}.`, { connection: id });
  }
}

/** The same bytes as a `Buffer`, not copied. */
function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
