import {
  AbstractMessageReader,
  AbstractMessageWriter,
  Message,
  type DataCallback,
  type Disposable,
  type MessageReader,
  type MessageWriter,
} from 'vscode-jsonrpc/node';
import * as z from 'zod';
import { EndpointError, serializeError } from '@sallyport/shared/protocol/errors.ts';
import { maximumFrameBytes } from '@sallyport/shared/protocol/limits.ts';
import {
  encodePayload,
  requestMessageSchema,
  type RequestMessage,
} from '@sallyport/shared/protocol/messages.ts';
import { decodeReceived, ForbiddenJsonError } from './received-json.ts';

/** JSON-RPC's range for errors of an application; the real code is in `data`. */
export const applicationError = -32000;

/** One accepted connection of the listener: whole frames out. */
export interface FrameTransport {
  send(payload: Uint8Array): void;
  close(reason: string): void;
}

/** What a client may send: requests, and that it no longer wants an answer. */
const receivedSchema = z.union([
  requestMessageSchema,
  z.strictObject({
    jsonrpc: z.literal('2.0'),
    method: z.literal('$/cancelRequest'),
    params: z.strictObject({ id: requestMessageSchema.shape.id }),
  }),
]);

/** What becomes of the messages of one connection before vscode-jsonrpc sees them. */
export interface FrameReceiver {
  /**
   * Judges a request.
   *
   * @returns `pass` hands it on, `answered` means that it was refused; anything else is why the connection must end
   */
  request(message: RequestMessage): 'pass' | 'answered' | { readonly problem: string };
  /** Its sender no longer wants the answer to this request, which may be unknown. */
  cancel(id: number): void;
}

/**
 * Feeds frames to vscode-jsonrpc; its own stream reader, which has no cap, is never used.
 *
 * Every message is checked first: vscode-jsonrpc trusts the shape of what it reads and throws where that is wrong.
 * Cancellations never reach it, since it would queue each and remember those of requests that it does not know.
 */
export class FrameReader extends AbstractMessageReader implements MessageReader {
  readonly #receiver: FrameReceiver;
  #callback: DataCallback | null = null;

  constructor(receiver: FrameReceiver) {
    super();
    this.#receiver = receiver;
  }

  listen(callback: DataCallback): Disposable {
    this.#callback = callback;
    return {
      dispose: () => {
        this.#callback = null;
      },
    };
  }

  /**
   * Takes one frame.
   *
   * @returns what is wrong with it, or null
   */
  receive(payload: Uint8Array): string | null {
    let value: unknown;
    try {
      value = decodeReceived(payload);
    } catch (error) {
      return error instanceof ForbiddenJsonError
        ? `a frame is not allowed: ${error.message}`
        : 'a frame is not JSON in UTF-8';
    }
    const message = receivedSchema.safeParse(value);
    if (!message.success) return 'a frame is not a request of this protocol';
    if (!('id' in message.data)) {
      this.#receiver.cancel(message.data.params.id);
      return null;
    }
    const verdict = this.#receiver.request(message.data);
    if (verdict === 'pass') this.#callback?.(message.data);
    return typeof verdict === 'object' ? verdict.problem : null;
  }

  closed(): void {
    this.fireClose();
  }
}

/** Sends each JSON-RPC message as one frame; an answer that is too large for one becomes an error. */
export class FrameWriter extends AbstractMessageWriter implements MessageWriter {
  readonly #transport: FrameTransport;
  readonly #answered: (id: number) => void;

  /** @param answered called with the id of each request before its answer is sent */
  constructor(transport: FrameTransport, answered: (id: number) => void) {
    super();
    this.#transport = transport;
    this.#answered = answered;
  }

  /** @throws {EndpointError} `frameTooLarge`: a notification, which was not sent */
  write(message: Message): Promise<void> {
    return new Promise((resolve) => {
      const payload = encodePayload(message);
      if (Message.isResponse(message) && typeof message.id === 'number') this.#answered(message.id);
      this.#transport.send(
        payload.byteLength > maximumFrameBytes ? tooLarge(message, payload.byteLength) : payload,
      );
      resolve();
    });
  }

  end(): void {
    this.#transport.close('done');
  }
}

/** The answer to a request that failed. */
export function failure(id: number | null, error: unknown): Uint8Array {
  const data = serializeError(error);
  return encodePayload({
    jsonrpc: '2.0',
    id,
    error: { code: applicationError, message: data.message, data },
  });
}

function tooLarge(message: Message, bytes: number): Uint8Array {
  const error = new EndpointError(
    'frameTooLarge',
    `The answer has ${String(bytes)} bytes; at most ${String(maximumFrameBytes)} can be sent. Ask for less.`,
  );
  if (!Message.isResponse(message)) throw error;
  return failure(typeof message.id === 'number' ? message.id : null, error);
}
