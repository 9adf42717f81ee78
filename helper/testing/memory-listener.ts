import type { Listener, ListenerEvent } from '../endpoint/listener.ts';
import type { Peer } from '../endpoint/caller.ts';

/** What the kernel would say of root's own program. */
export const rootPeer: Peer = {
  pid: 1000,
  uid: 0,
  gid: 0,
  startTime: '1',
  executable: '/usr/bin/sallyport-cli',
  executableOwner: 0,
  executableMode: 0o755,
  executableDevice: '1',
  executableInode: '2',
  executableDeleted: false,
  sameUserNamespace: true,
  samePidNamespace: true,
};

type Received = Readonly<Record<string, unknown>>;

/** The in-memory twin of the native listener: its clients are in the test. */
export class MemoryListener implements Listener {
  readonly clients = new Map<number, MemoryClient>();
  #onEvent: ((event: ListenerEvent) => void) | null = null;
  #lastId = 0;

  /** For `EndpointServer.start`. */
  readonly listen = (onEvent: (event: ListenerEvent) => void): Listener => {
    this.#onEvent = onEvent;
    return this;
  };

  connect(peer: Partial<Peer> = {}): MemoryClient {
    this.#lastId += 1;
    const connectionId = this.#lastId;
    const client: MemoryClient = new MemoryClient(
      (data) => {
        if (client.closedBecause !== null) return;
        if (client.isReleased) this.#onEvent?.({ kind: 'frame', connectionId, data });
        else this.close(connectionId, 'prematureFrame');
      },
      () => {
        this.close(connectionId, 'peerClosed');
      },
    );
    this.clients.set(connectionId, client);
    this.#onEvent?.({ kind: 'connection', connectionId, peer: { ...rootPeer, ...peer } });
    return client;
  }

  /** Turns somebody away before there is a connection, as the native side does in a flood. */
  turnAway(uid: number, unreported = 0): void {
    this.#onEvent?.({ kind: 'refused', reason: 'tooFast', pid: 1, uid, unreported });
  }

  release(connectionId: number): boolean {
    const client = this.clients.get(connectionId);
    if (client?.closedBecause !== null) return false;
    client.isReleased = true;
    return true;
  }

  refuse(connectionId: number, payload: Buffer, reason: string): void {
    this.send(connectionId, payload);
    this.close(connectionId, reason);
  }

  isUnchanged(connectionId: number): boolean {
    const client = this.clients.get(connectionId);
    return client?.closedBecause === null && !client.hasChanged;
  }

  send(connectionId: number, payload: Buffer): boolean {
    const client = this.clients.get(connectionId);
    if (client?.closedBecause !== null) return false;
    if (client.reads) {
      client.take(payload);
      return true;
    }
    this.close(connectionId, 'queueFull');
    return false;
  }

  close(connectionId: number, reason: string): void {
    const client = this.clients.get(connectionId);
    if (client?.closedBecause !== null) return;
    client.closedBecause = reason;
    setImmediate(() => this.#onEvent?.({ kind: 'closed', connectionId, reason }));
  }

  stop(): void {
    for (const id of this.clients.keys()) this.close(id, 'stopped');
    this.#onEvent = null;
  }
}

/** One client of a `MemoryListener`; speaks raw JSON-RPC, so that it can also speak it badly. */
export class MemoryClient {
  /** Everything that arrived, in order. */
  readonly received: Received[] = [];
  closedBecause: string | null = null;
  /** Whether it takes what is sent to it; the listener closes one that does not. */
  reads = true;
  /** Whether the server let it speak. */
  isReleased = false;
  /** Whether its process runs something else by now. */
  hasChanged = false;
  readonly #send: (data: Uint8Array) => void;
  readonly #close: () => void;
  #lastId = 0;

  constructor(send: (data: Uint8Array) => void, close: () => void) {
    this.#send = send;
    this.#close = close;
  }

  take(payload: Uint8Array): void {
    const message: unknown = JSON.parse(new TextDecoder().decode(payload));
    if (!isRecord(message)) throw new Error('The helper sent something that is no message.');
    this.received.push(message);
  }

  /** Sends bytes, or anything as JSON. */
  sendRaw(payload: unknown): void {
    this.#send(payload instanceof Uint8Array ? payload : new TextEncoder().encode(JSON.stringify(payload)));
  }

  /** Sends a request and gives its id. */
  send(method: string, params: unknown = {}): number {
    this.#lastId += 1;
    this.sendRaw({ jsonrpc: '2.0', id: this.#lastId, method, params });
    return this.#lastId;
  }

  /** Sends a request and waits for its answer, `result` or `error`. */
  async call(method: string, params: unknown = {}): Promise<{ result?: unknown; error?: unknown }> {
    return await this.answer(this.send(method, params));
  }

  /** Waits until it may speak. @throws {Error} when it was refused instead */
  async released(): Promise<void> {
    while (!this.isReleased) {
      if (this.closedBecause !== null) throw new Error(`The connection was closed: ${this.closedBecause}.`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Waits for the answer to a request. @throws {Error} after 2 s, or when the connection was closed */
  async answer(id: number): Promise<{ result?: unknown; error?: unknown }> {
    const limit = Date.now() + 2000;
    for (;;) {
      const found = this.received.find((message) => message['id'] === id);
      if (found !== undefined) return found;
      if (this.closedBecause !== null) throw new Error(`The connection was closed: ${this.closedBecause}.`);
      if (Date.now() > limit) throw new Error(`Request ${String(id)} was not answered.`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async hello(): Promise<unknown> {
    const { result, error } = await this.call('hello', {
      protocol: { oldest: 1, newest: 1 },
      client: { name: 'test', version: '1' },
    });
    if (error !== undefined) throw new Error(JSON.stringify(error));
    return result;
  }

  /** Parameters of the notifications of a name, in order. */
  notifications(name: string): unknown[] {
    return this.received.filter((message) => message['method'] === name).map((message) => message['params']);
  }

  close(): void {
    this.#close();
  }
}

function isRecord(value: unknown): value is Received {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
