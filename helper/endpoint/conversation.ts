import { CancellationTokenSource, type CancellationToken, type MessageConnection } from 'vscode-jsonrpc/node';
import { connectMessages } from '@sallyport/shared/protocol/message-connection.ts';
import { failure, FrameReader, FrameWriter, type FrameTransport } from './frame-connection.ts';
import type { RequestLimits } from './request-limits.ts';

/** Refusals in a row after which a client that goes on asking is disconnected. */
const maximumRefusals = 64;

export interface ConversationOptions {
  readonly uid: number;
  readonly limits: RequestLimits;
  readonly transport: FrameTransport;
  readonly onRequest: (method: string, params: unknown, token: CancellationToken) => Promise<unknown>;
}

/** JSON-RPC with one client: its requests are counted from when they come in until they are answered. */
export class Conversation {
  readonly rpc: MessageConnection;
  readonly #options: ConversationOptions;
  readonly #reader: FrameReader;
  /** Requests that wait for their answer, by id. */
  readonly #requests = new Map<number, CancellationTokenSource>();
  /** Requests in a row that were refused because there were too many. */
  #refusals = 0;

  constructor(options: ConversationOptions) {
    const { uid, limits, transport, onRequest } = options;
    this.#options = options;
    this.#reader = new FrameReader({
      request: ({ id }) => this.#admit(id),
      cancel: (id) => {
        cancelOnce(this.#requests.get(id));
      },
    });
    const writer = new FrameWriter(transport, (id) => {
      if (this.#requests.delete(id)) limits.release(uid);
    });
    this.rpc = connectMessages(this.#reader, writer, {
      cancellationStrategy: {
        receiver: {
          kind: 'id',
          createCancellationTokenSource: (id) =>
            (typeof id === 'number' ? this.#requests.get(id) : undefined) ?? new CancellationTokenSource(),
        },
        sender: {
          sendCancellation: () => Promise.resolve(),
          cleanup: () => undefined,
        },
      },
    });
    this.rpc.onRequest(onRequest);
    this.rpc.listen();
  }

  /**
   * Takes one frame.
   *
   * @returns why the connection must end, or null
   */
  receive(payload: Uint8Array): string | null {
    return this.#reader.receive(payload);
  }

  /** Cancels what is under way. */
  end(): void {
    for (const request of this.#requests.values()) {
      cancelOnce(request);
      this.#options.limits.release(this.#options.uid);
    }
    this.#requests.clear();
    this.#reader.closed();
    this.rpc.dispose();
  }

  #admit(id: number): 'pass' | 'answered' | { readonly problem: string } {
    const { uid, limits, transport } = this.#options;
    if (this.#requests.has(id)) return { problem: 'two requests under way have the same id' };
    const refusal = limits.admit(uid, this.#requests.size);
    if (refusal === null) {
      this.#refusals = 0;
      this.#requests.set(id, new CancellationTokenSource());
      return 'pass';
    }
    this.#refusals += 1;
    if (this.#refusals > maximumRefusals) return { problem: 'it goes on asking though told to wait' };
    transport.send(failure(id, refusal));
    return 'answered';
  }
}

/** A source that is cancelled twice before anybody has asked for its token throws. */
function cancelOnce(source: CancellationTokenSource | undefined): void {
  if (source?.token.isCancellationRequested === false) source.cancel();
}
