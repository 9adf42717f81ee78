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
import { decodePayload, encodePayload, requestMessageSchema } from '@sallyport/shared/protocol/messages.ts';

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

/**
 * Feeds frames to vscode-jsonrpc; its own stream reader, which has no cap, is never used.
 *
 * Every message is checked first: vscode-jsonrpc trusts the shape of what it reads and throws where that is wrong.
 */
export class FrameReader extends AbstractMessageReader implements MessageReader {
  #callback: DataCallback | null = null;

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
      value = decodePayload(payload);
    } catch {
      return 'a frame is not JSON in UTF-8';
    }
    const message = receivedSchema.safeParse(value);
    if (!message.success) return 'a frame is not a request of this protocol';
    this.#callback?.(message.data);
    return null;
  }

  closed(): void {
    this.fireClose();
  }
}

/** Sends each JSON-RPC message as one frame; an answer that is too large for one becomes an error. */
export class FrameWriter extends AbstractMessageWriter implements MessageWriter {
  readonly #transport: FrameTransport;

  constructor(transport: FrameTransport) {
    super();
    this.#transport = transport;
  }

  /** @throws {EndpointError} `frameTooLarge`: a notification, which was not sent */
  write(message: Message): Promise<void> {
    return new Promise((resolve) => {
      const payload = encodePayload(message);
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

function tooLarge(message: Message, bytes: number): Uint8Array {
  const error = new EndpointError(
    'frameTooLarge',
    `The answer has ${String(bytes)} bytes; at most ${String(maximumFrameBytes)} can be sent. Ask for less.`,
  );
  if (!Message.isResponse(message)) throw error;
  const answer = { code: applicationError, message: error.message, data: serializeError(error) };
  return encodePayload({ jsonrpc: '2.0', id: message.id, error: answer });
}
