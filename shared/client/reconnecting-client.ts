import type { Configuration } from '../protocol/configuration.ts';
import { EndpointError } from '../protocol/errors.ts';
import type { LogEntry } from '../protocol/log.ts';
import type { MethodName, MethodParams, MethodResult, Snapshot } from '../protocol/methods.ts';
import type { SessionSnapshot } from '../protocol/session.ts';
import { reconnectDelay } from './backoff.ts';
import { decodeBase64 } from './base64.ts';
import type {
  CallOptions,
  EndpointCaller,
  EndpointConnection,
  NotificationReceiver,
} from './endpoint-connection.ts';
import { SequenceGate } from './sequence-gate.ts';
import { TypedEmitter } from './typed-emitter.ts';

export interface ClientEvents {
  /** The endpoint answered `hello`; a snapshot follows. */
  readonly connected: readonly [hello: MethodResult<'hello'>];
  /** The endpoint was lost or cannot be reached; told again only when the reason changes. Attempts go on. */
  readonly disconnected: readonly [error: Error];
  /** Everything there is; replaces what was known. Comes after each `connected`, and after a gap. */
  readonly snapshot: readonly [snapshot: Snapshot];
  readonly sessionChanged: readonly [session: SessionSnapshot];
  /** Null when the configuration was removed. */
  readonly configurationChanged: readonly [id: string, configuration: Configuration | null];
  readonly providerMessage: readonly [id: string, message: Uint8Array];
  readonly displayMessage: readonly [id: string, text: string];
  /** After `log.read` with `follow`, which is to be called again after each `connected`. */
  readonly logEntry: readonly [entry: LogEntry];
}

export interface ReconnectingClientOptions {
  /** Opens one connection; `connectEndpoint` with everything but the receiver filled in. */
  readonly connect: (receiver: NotificationReceiver) => Promise<EndpointConnection>;
  /** From 0 to 1; for tests. */
  readonly random?: () => number;
}

/**
 * A connection to the endpoint that comes back by itself, and what the endpoint last said.
 *
 * Keeps a subscription: events come in the order in which things happened, none twice and none left out. After a loss,
 * a restart of the helper for instance, it tries again with growing pauses and begins with a new snapshot.
 */
export class ReconnectingClient extends TypedEmitter<ClientEvents> implements EndpointCaller {
  readonly #connect: ReconnectingClientOptions['connect'];
  readonly #random: () => number;
  readonly #gate = new SequenceGate();
  #held: (() => void)[] = [];
  #connection: EndpointConnection | null = null;
  #configurations = new Map<string, Configuration>();
  #sessions = new Map<string, SessionSnapshot>();
  #state: 'new' | 'running' | 'closed' = 'new';
  #lastError: Error | null = null;
  #failures = 0;
  #isReopening = false;
  #timer: NodeJS.Timeout | null = null;
  #waiting: { resolve: (connection: EndpointConnection) => void; reject: (error: Error) => void }[] = [];

  constructor(options: ReconnectingClientOptions) {
    super();
    this.#connect = options.connect;
    this.#random = options.random ?? Math.random;
  }

  /** Begins to connect; to be called once, after the listeners are in place. */
  start(): void {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    void this.#attempt();
  }

  /** Tries at once instead of at the end of the present pause. */
  retryNow(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    void this.#attempt();
  }

  /** Connects anew although the connection is fine: what this program may do is found out when it connects. */
  reopen(): void {
    if (this.#connection === null) {
      this.retryNow();
      return;
    }
    this.#isReopening = true;
    this.#connection.close();
  }

  /** Ends the connection for good; sessions stay as they are. */
  close(): void {
    this.#state = 'closed';
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#connection?.close();
    this.#rejectWaiting(closedError());
  }

  /** Settles with the first snapshot's arrival, or with the first failure. At once if connected. */
  async ready(): Promise<void> {
    await this.#whenConnected();
  }

  /** What is known of a session, as of the last event; undefined when there is none of this id. */
  session(configurationId: string): SessionSnapshot | undefined {
    return this.#sessions.get(configurationId);
  }

  configuration(id: string): Configuration | undefined {
    return this.#configurations.get(id);
  }

  /** Every configuration known, as of the last event. */
  get configurations(): readonly Configuration[] {
    return [...this.#configurations.values()];
  }

  get isConnected(): boolean {
    return this.#connection !== null;
  }

  /** What the helper said of itself; null while there is no connection. */
  get hello(): MethodResult<'hello'> | null {
    return this.#connection?.hello ?? null;
  }

  /** Makes a request; while the first attempt, or one after a loss, is under way, waits for that attempt. */
  async call<M extends MethodName>(
    method: M,
    params: MethodParams<M>,
    options?: CallOptions,
  ): Promise<MethodResult<M>> {
    const connection = await this.#whenConnected();
    return connection.call(method, params, options);
  }

  #whenConnected(): Promise<EndpointConnection> {
    if (this.#connection !== null) return Promise.resolve(this.#connection);
    if (this.#state !== 'running') return Promise.reject(closedError());
    if (this.#timer !== null && this.#lastError !== null) return Promise.reject(this.#lastError);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  async #attempt(): Promise<void> {
    let connection: EndpointConnection | null = null;
    try {
      this.#gate.close();
      this.#held = [];
      connection = await this.#connect(this.#receiver());
      this.#throwIfClosed();
      const snapshot = await connection.call('events.subscribe', {});
      this.#throwIfClosed();
      this.#connection = connection;
      this.#failures = 0;
      this.#lastError = null;
      this.emit('connected', connection.hello);
      this.#take(snapshot);
      for (const waiting of this.#waiting.splice(0)) waiting.resolve(connection);
    } catch (error) {
      connection?.close();
      this.#lost(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    const reason = await connection.closed;
    this.#connection = null;
    if (this.#isReopening && this.#state === 'running') {
      this.#isReopening = false;
      void this.#attempt();
      return;
    }
    this.#lost(reason);
  }

  #lost(error: Error): void {
    const known = this.#lastError?.message === error.message;
    this.#lastError = error;
    this.#configurations = new Map();
    this.#sessions = new Map();
    if (this.#state !== 'running') return;
    this.#failures += 1;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        void this.#attempt();
      },
      reconnectDelay(this.#failures, this.#random()),
    );
    this.#rejectWaiting(error);
    if (!known) this.emit('disconnected', error);
  }

  #receiver(): NotificationReceiver {
    return {
      'sessions.changed': ({ sequence, session }) => {
        this.#inOrder(sequence, () => {
          this.#sessions.set(session.configurationId, session);
          this.emit('sessionChanged', session);
        });
      },
      'configurations.changed': ({ sequence, id, configuration }) => {
        this.#inOrder(sequence, () => {
          if (configuration === null) {
            this.#configurations.delete(id);
            this.#sessions.delete(id);
          } else {
            this.#configurations.set(id, configuration);
          }
          this.emit('configurationChanged', id, configuration);
        });
      },
      'session.providerMessage': ({ sequence, id, message }) => {
        this.#inOrder(sequence, () => {
          this.emit('providerMessage', id, decodeBase64(message));
        });
      },
      'session.displayMessage': ({ sequence, id, text }) => {
        this.#inOrder(sequence, () => {
          this.emit('displayMessage', id, text);
        });
      },
      'log.entry': (entry) => {
        this.emit('logEntry', entry);
      },
    };
  }

  #inOrder(sequence: number, deliver: () => void): void {
    switch (this.#gate.judge(sequence)) {
      case 'deliver':
        deliver();
        return;
      case 'ignore':
        return;
      case 'hold':
        this.#held.push(() => {
          this.#inOrder(sequence, deliver);
        });
        return;
      case 'gap':
        this.#gate.close();
        void this.#resubscribe();
    }
  }

  async #resubscribe(): Promise<void> {
    const connection = this.#connection;
    if (connection === null) return;
    try {
      const snapshot = await connection.call('events.subscribe', {});
      if (this.#connection === connection) this.#take(snapshot);
    } catch {
      // Without a snapshot nothing that follows could be trusted; a new connection begins with one.
      connection.close();
    }
  }

  #take(snapshot: Snapshot): void {
    this.#configurations = new Map(snapshot.configurations.map((each) => [each.id, each]));
    this.#sessions = new Map(snapshot.sessions.map((each) => [each.configurationId, each]));
    this.#gate.open(snapshot.sequence);
    this.emit('snapshot', snapshot);
    for (const deliver of this.#held.splice(0)) deliver();
  }

  #throwIfClosed(): void {
    if (this.#state !== 'running') throw closedError();
  }

  #rejectWaiting(error: Error): void {
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}

function closedError(): EndpointError {
  return new EndpointError('connectionClosed', 'This program closed its connection to the helper.');
}
