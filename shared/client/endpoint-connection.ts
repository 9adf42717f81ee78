import type { Socket } from 'node:net';
import {
  CancellationTokenSource,
  ErrorCodes,
  ResponseError,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import * as z from 'zod';
import { EndpointError, RemoteError, serializedErrorSchema, type ErrorCode } from '../protocol/errors.ts';
import { roleFor } from '../protocol/authorization.ts';
import { connectMessages } from '../protocol/message-connection.ts';
import { messageToClientSchema } from '../protocol/messages.ts';
import {
  methods,
  notificationNames,
  notifications,
  type MethodName,
  type MethodParams,
  type MethodResult,
  type NotificationName,
  type NotificationParams,
} from '../protocol/methods.ts';
import { checkAgreed, protocolVersions, type VersionRange } from '../protocol/version.ts';
import { FramedMessageReader, FramedMessageWriter } from './framed-transport.ts';
import { abortReason, openSocket } from './open-socket.ts';
import { tolerantParse } from './tolerant-parse.ts';

/** Longest wait for an answer, in milliseconds, unless the caller says otherwise. */
export const defaultRequestTimeout = 15_000;

/** As long as that, when a person may first have to type an administrator's password. */
export const approvalTimeout = 120_000;

export interface CallOptions {
  /** Aborting tells the helper to drop the request, and rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait for the answer. */
  readonly timeout?: number | undefined;
}

/** Whatever can make requests of the endpoint: one connection, or a client that keeps one. */
export interface EndpointCaller {
  /**
   * Makes a request and waits for its answer.
   *
   * @throws {RemoteError} what the helper answered
   * @throws {EndpointError} `timedOut`, `connectionClosed`, `notReachable`, `frameTooLarge`, `malformedMessage`
   */
  call<M extends MethodName>(
    method: M,
    params: MethodParams<M>,
    options?: CallOptions,
  ): Promise<MethodResult<M>>;
}

/** What to do with each notification, which is validated before. */
export type NotificationReceiver = {
  readonly [N in NotificationName]?: (params: NotificationParams<N>) => void;
};

export interface OpenOptions {
  /** The socket, already verified (`locateEndpoint`). */
  readonly path: string;
  /** How this program names itself in the helper's log. */
  readonly client: { readonly name: string; readonly version: string };
  /** What to tell a person when nothing answers; one sentence. */
  readonly remedy?: string;
  readonly receiver?: NotificationReceiver;
  readonly signal?: AbortSignal | undefined;
  /** What this side speaks; this build's range unless told. */
  readonly protocol?: VersionRange;
  /** Milliseconds to wait for the connection and its handshake, and then for the answer to `hello`. */
  readonly timeout?: number;
}

/** One connection to the endpoint, after a successful `hello`. Never comes back once it is closed. */
export class EndpointConnection implements EndpointCaller {
  /** Settles once the connection is over, with the reason; never rejects. */
  readonly closed: Promise<EndpointError>;

  readonly #socket: Socket;
  readonly #receiver: NotificationReceiver;
  readonly #rpc: MessageConnection;
  readonly #reader: FramedMessageReader;
  readonly #writer: FramedMessageWriter;
  #handled = 0;
  #failure: EndpointError | null = null;
  #closeError: EndpointError | null = null;
  #hello: MethodResult<'hello'> | null = null;
  #announceClosed: (error: EndpointError) => void = () => undefined;

  private constructor(socket: Socket, receiver: NotificationReceiver) {
    this.#receiver = receiver;
    this.closed = new Promise((resolve) => {
      this.#announceClosed = resolve;
    });
    this.#socket = socket;
    this.#reader = new FramedMessageReader(socket, messageToClientSchema);
    this.#writer = new FramedMessageWriter(socket);
    this.#rpc = connectMessages(this.#reader, this.#writer, {
      messageStrategy: {
        handleMessage: (message, next) => {
          this.#handled += 1;
          return next(message);
        },
      },
    });
    this.#rpc.onError(([error]) => {
      this.#fail(
        error instanceof EndpointError
          ? error
          : new EndpointError('connectionClosed', 'The connection to the helper broke.', { cause: error }),
      );
    });
    // A newer helper may have notifications that this side has never heard of; those are dropped.
    for (const name of notificationNames) {
      this.#rpc.onNotification(name, (params: unknown) => {
        this.#receive(name, notificationSchema(name), params);
      });
    }
    socket.on('error', (error) => {
      this.#failure ??= new EndpointError('connectionClosed', 'The connection to the helper broke.', {
        cause: error,
      });
    });
    socket.on('close', () => {
      this.#finish();
    });
    this.#rpc.listen();
    socket.resume();
  }

  /**
   * Connects, brings the helper's nonce back and says hello.
   *
   * @throws {RemoteError} `accessDenied` or `tooManyRequests`: the helper's own words, before it listens to anything
   * @throws {EndpointError} `notReachable`, `protocolVersionUnsupported` (the message says which side to update),
   * `timedOut`, `connectionClosed`, `malformedMessage`
   */
  static async open(options: OpenOptions): Promise<EndpointConnection> {
    const timeout = options.timeout ?? defaultRequestTimeout;
    const socket = await openSocket({ ...options, timeout });
    const connection = new EndpointConnection(socket, options.receiver ?? {});
    try {
      await connection.#sayHello(options, timeout);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** What the helper said of itself. */
  get hello(): MethodResult<'hello'> {
    if (this.#hello === null) throw new Error('hello was not answered yet');
    return this.#hello;
  }

  get isClosed(): boolean {
    return this.#closeError !== null;
  }

  call<M extends MethodName>(
    method: M,
    params: MethodParams<M>,
    options: CallOptions = {},
  ): Promise<MethodResult<M>> {
    const timeout =
      options.timeout ?? (roleFor(method) === 'administrator' ? approvalTimeout : defaultRequestTimeout);
    return this.#request(method, params, { ...options, timeout }).then((result) =>
      parseResult(method, resultSchema(method), result),
    );
  }

  /** Ends the connection; pending requests are rejected with `connectionClosed`. Sessions stay as they are. */
  close(): void {
    this.#fail(new EndpointError('connectionClosed', 'This program closed its connection to the helper.'));
  }

  async #sayHello(options: OpenOptions, timeout: number): Promise<void> {
    const protocol = options.protocol ?? protocolVersions;
    const answer = await this.#request(
      'hello',
      { protocol, client: { name: options.client.name, version: options.client.version } },
      { signal: options.signal, timeout },
    );
    // Looked at before the rest, which another version may have changed.
    const version = z.looseObject({ protocol: z.int() }).safeParse(answer);
    if (version.success) checkAgreed(version.data.protocol, protocol);
    this.#hello = parseResult('hello', methods.hello.result, answer);
  }

  #request(
    method: MethodName,
    params: object,
    options: { readonly signal?: AbortSignal | undefined; readonly timeout: number },
  ): Promise<unknown> {
    const { signal, timeout } = options;
    return new Promise((resolve, reject) => {
      if (this.#closeError !== null) {
        reject(this.#closeError);
        return;
      }
      if (signal?.aborted === true) {
        reject(abortReason(signal));
        return;
      }
      const cancellation = new CancellationTokenSource();
      const onAbort = () => {
        settle(() => {
          cancellation.cancel();
          reject(abortReason(signal));
        });
      };
      const timer = setTimeout(() => {
        settle(() => {
          cancellation.cancel();
          reject(
            new EndpointError(
              'timedOut',
              `The helper did not answer ${method} within ${String(timeout / 1000)} s. Try again; its log may say why.`,
            ),
          );
        });
      }, timeout);
      let settled = false;
      const settle = (act: () => void) => {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        act();
      };
      signal?.addEventListener('abort', onAbort);
      this.#send(method, params, cancellation).then(
        (result) => {
          settle(() => {
            resolve(result);
          });
        },
        (error: unknown) => {
          settle(() => {
            reject(this.#asThrown(error));
          });
        },
      );
    });
  }

  async #send(method: MethodName, params: object, cancellation: CancellationTokenSource): Promise<unknown> {
    try {
      return await this.#rpc.sendRequest<unknown>(method, params, cancellation.token);
    } finally {
      cancellation.dispose();
    }
  }

  #receive<N extends NotificationName>(
    name: N,
    schema: z.ZodType<NotificationParams<N>>,
    params: unknown,
  ): void {
    const parsed = tolerantParse(schema, params);
    if (parsed.success) {
      this.#receiver[name]?.(parsed.data);
      return;
    }
    this.#fail(
      new EndpointError(
        'malformedMessage',
        `The connection was closed: the helper sent a ${name} that does not fit the protocol.`,
        { cause: parsed.error },
      ),
    );
  }

  #fail(error: EndpointError): void {
    this.#failure ??= error;
    this.#socket.destroy();
  }

  /** Lets answers that arrived before the end be handled, then rejects what is left. */
  #finish(handledBefore = -1): void {
    const handled = this.#handled;
    // Only while it goes on: of two answers with one id, which a helper never sends, one is never handled.
    if (this.#failure === null && handled < this.#reader.delivered && handled > handledBefore) {
      setImmediate(() => {
        this.#finish(handled);
      });
      return;
    }
    if (this.#closeError !== null) return;
    this.#closeError =
      this.#failure ??
      new EndpointError(
        'connectionClosed',
        'The helper closed the connection. It may be restarting; try again in a moment.',
      );
    this.#rpc.dispose();
    this.#announceClosed(this.#closeError);
  }

  #asThrown(error: unknown): Error {
    if (error instanceof EndpointError) return error;
    if (error instanceof ResponseError) {
      if (error.code === ErrorCodes.PendingResponseRejected || error.code === ErrorCodes.MessageWriteError) {
        return this.#writer.takeRefusal() ?? this.#closeError ?? this.#failure ?? closedWhileSending(error);
      }
      const data = tolerantParse(serializedErrorSchema, error.data);
      if (data.success) return new RemoteError(data.data);
      return new EndpointError(codeOf(error.code), `The helper refused the request: ${error.message}`);
    }
    return this.#closeError ?? this.#failure ?? closedWhileSending(error);
  }
}

function closedWhileSending(cause: unknown): EndpointError {
  const message = cause instanceof Error ? ` ${cause.message}` : '';
  return new EndpointError('connectionClosed', `The request could not be sent.${message}`, { cause });
}

function codeOf(rpcCode: number): ErrorCode<'EndpointError'> {
  if (rpcCode === ErrorCodes.MethodNotFound) return 'unknownMethod';
  return rpcCode === ErrorCodes.InvalidParams ? 'invalidParameters' : 'internalError';
}

function parseResult<T>(method: MethodName, schema: z.ZodType<T>, value: unknown): T {
  const parsed = tolerantParse(schema, value);
  if (parsed.success) return parsed.data;
  throw new EndpointError(
    'malformedMessage',
    `The helper answered ${method} with something that does not fit the protocol. Update the app and its extension together.`,
    { cause: parsed.error },
  );
}

function resultSchema<M extends MethodName>(method: M): z.ZodType<MethodResult<M>> {
  const table: { readonly [N in MethodName]: { readonly result: z.ZodType<MethodResult<N>> } } = methods;
  return table[method].result;
}

function notificationSchema<N extends NotificationName>(name: N): z.ZodType<NotificationParams<N>> {
  const table: { readonly [K in NotificationName]: { readonly params: z.ZodType<NotificationParams<K>> } } =
    notifications;
  return table[name].params;
}
