import type { Socket } from 'node:net';
import {
  AbstractMessageReader,
  AbstractMessageWriter,
  type DataCallback,
  type Disposable,
  type Message,
  type MessageReader,
  type MessageWriter,
} from 'vscode-jsonrpc/node';
import type { z } from 'zod';
import { encodeFrames, FrameDecoder, FrameError } from '../protocol/frames.ts';
import { maximumFrameBytes } from '../protocol/limits.ts';
import { decodePayload, encodePayload } from '../protocol/messages.ts';
import { EndpointError } from '../protocol/errors.ts';

/** Reads our frames from a socket and gives only messages of the expected shape to JSON-RPC. */
export class FramedMessageReader extends AbstractMessageReader implements MessageReader {
  readonly #socket: Socket;
  readonly #schema: z.ZodType<Message>;
  #delivered = 0;

  /** @param schema what the peer may send; anything else is an error, after which nothing more is read */
  constructor(socket: Socket, schema: z.ZodType<Message>) {
    super();
    this.#socket = socket;
    this.#schema = schema;
  }

  /** Messages given to JSON-RPC so far. */
  get delivered(): number {
    return this.#delivered;
  }

  listen(callback: DataCallback): Disposable {
    const decoder = new FrameDecoder(maximumFrameBytes);
    let broken = false;
    const onData = (chunk: Buffer) => {
      if (broken) return;
      try {
        for (const payload of decoder.push(chunk)) {
          const message = this.#schema.parse(decodePayload(payload));
          this.#delivered += 1;
          callback(message);
        }
      } catch (error) {
        broken = true;
        this.fireError(asEndpointError(error));
      }
    };
    this.#socket.on('data', onData);
    return {
      dispose: () => {
        this.#socket.off('data', onData);
      },
    };
  }
}

interface Unsent {
  readonly payload: Uint8Array;
  readonly settle: (error: Error | null | undefined) => void;
}

/** Writes JSON-RPC messages as our frames; those of one turn go out together, in one system call. */
export class FramedMessageWriter extends AbstractMessageWriter implements MessageWriter {
  readonly #socket: Socket;
  #unsent: Unsent[] = [];
  #refusal: EndpointError | null = null;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
  }

  /** Why the last message was not sent, once; JSON-RPC itself keeps no more than its text. */
  takeRefusal(): EndpointError | null {
    const refusal = this.#refusal;
    this.#refusal = null;
    return refusal;
  }

  /** @throws {EndpointError} `frameTooLarge`: nothing was sent */
  write(message: Message): Promise<void> {
    const payload = encodePayload(message);
    if (payload.byteLength > maximumFrameBytes) {
      this.#refusal = new EndpointError(
        'frameTooLarge',
        `This request has ${String(payload.byteLength)} bytes; at most ${String(maximumFrameBytes)} are allowed.`,
      );
      return Promise.reject(this.#refusal);
    }
    return new Promise((resolve, reject) => {
      const settle = (error: Error | null | undefined): void => {
        if (error === null || error === undefined) resolve();
        else reject(error);
      };
      this.#unsent.push({ payload, settle });
      if (this.#unsent.length > 1) return;
      process.nextTick(() => {
        this.#flush();
      });
    });
  }

  end(): void {
    this.#flush();
    this.#socket.end();
  }

  #flush(): void {
    const unsent = this.#unsent;
    if (unsent.length === 0) return;
    this.#unsent = [];
    this.#socket.write(encodeFrames(unsent.map(({ payload }) => payload)), (error) => {
      for (const { settle } of unsent) settle(error);
    });
  }
}

function asEndpointError(error: unknown): EndpointError {
  if (error instanceof FrameError && error.code === 'frameTooLarge') {
    return new EndpointError('frameTooLarge', `The connection was closed: ${error.message}`, {
      cause: error,
    });
  }
  return new EndpointError(
    'malformedMessage',
    'The connection was closed: the peer sent something that is not a message of this protocol.',
    { cause: error },
  );
}
