import {
  AbstractMessageReader,
  AbstractMessageWriter,
  type DataCallback,
  type Disposable,
  type Message,
  type MessageReader,
  type MessageWriter,
} from 'vscode-jsonrpc/node';

/** One accepted connection of the listener: whole frames in, whole frames out. */
export interface FrameTransport {
  /** @returns false when the connection is gone or its queue is full, after which it is closed */
  send(payload: Uint8Array): boolean;
  close(reason: string): void;
}

const decoder = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();

/** Feeds frames to vscode-jsonrpc; its own stream reader, which has no cap, is never used. */
export class FrameReader extends AbstractMessageReader implements MessageReader {
  #callback: DataCallback | null = null;
  #early: Message[] = [];

  listen(callback: DataCallback): Disposable {
    this.#callback = callback;
    for (const message of this.#early.splice(0)) callback(message);
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
      value = JSON.parse(decoder.decode(payload));
    } catch {
      return 'a frame is not JSON in UTF-8';
    }
    if (!isMessage(value)) return 'a frame is not a JSON-RPC 2.0 message';
    if (this.#callback === null) this.#early.push(value);
    else this.#callback(value);
    return null;
  }

  closed(): void {
    this.fireClose();
  }
}

/** Sends each JSON-RPC message as one frame. */
export class FrameWriter extends AbstractMessageWriter implements MessageWriter {
  readonly #transport: FrameTransport;

  constructor(transport: FrameTransport) {
    super();
    this.#transport = transport;
  }

  write(message: Message): Promise<void> {
    this.#transport.send(encoder.encode(JSON.stringify(message)));
    return Promise.resolve();
  }

  end(): void {
    this.#transport.close('done');
  }
}

function isMessage(value: unknown): value is Message {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    'jsonrpc' in value &&
    value.jsonrpc === '2.0'
  );
}
