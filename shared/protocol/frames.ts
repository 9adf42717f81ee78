/**
 * Framing of the endpoint: a 32-bit big-endian length, then that many bytes of one JSON-RPC message in UTF-8.
 *
 * A length of 0 or above the cap is an error, after which nothing more may be read from that stream.
 */
export const frameHeaderBytes = 4;

export class FrameError extends Error {
  readonly code: 'emptyFrame' | 'frameTooLarge';

  constructor(code: 'emptyFrame' | 'frameTooLarge', length: number, maximum: number) {
    super(
      code === 'emptyFrame'
        ? 'The peer sent an empty frame.'
        : `The peer announced a frame of ${String(length)} bytes; at most ${String(maximum)} are allowed.`,
    );
    this.name = 'FrameError';
    this.code = code;
  }
}

/** Puts a payload behind its length. */
export function encodeFrame(payload: Uint8Array): Uint8Array {
  return encodeFrames([payload]);
}

/** Puts each payload behind its length, all into one piece. */
export function encodeFrames(payloads: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const payload of payloads) length += frameHeaderBytes + payload.byteLength;
  const frames = new Uint8Array(length);
  const view = new DataView(frames.buffer);
  let offset = 0;
  for (const payload of payloads) {
    view.setUint32(offset, payload.byteLength);
    frames.set(payload, offset + frameHeaderBytes);
    offset += frameHeaderBytes + payload.byteLength;
  }
  return frames;
}

/** Cuts a byte stream into payloads, in whatever pieces it arrives; linear in the number of bytes. */
export class FrameDecoder {
  readonly #maximum: number;
  readonly #header = new Uint8Array(frameHeaderBytes);
  #headerFilled = 0;
  #payload: Uint8Array | null = null;
  #payloadFilled = 0;

  /** @param maximum largest payload in bytes */
  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  /**
   * Takes the next bytes and returns the payloads they complete.
   *
   * @throws {FrameError} the stream is broken for good
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const payloads: Uint8Array[] = [];
    let offset = 0;
    while (offset < chunk.byteLength) {
      if (this.#payload === null) {
        const take = Math.min(frameHeaderBytes - this.#headerFilled, chunk.byteLength - offset);
        this.#header.set(chunk.subarray(offset, offset + take), this.#headerFilled);
        this.#headerFilled += take;
        offset += take;
        if (this.#headerFilled < frameHeaderBytes) break;
        const length = new DataView(this.#header.buffer).getUint32(0);
        if (length === 0) throw new FrameError('emptyFrame', length, this.#maximum);
        if (length > this.#maximum) throw new FrameError('frameTooLarge', length, this.#maximum);
        this.#payload = new Uint8Array(length);
        this.#payloadFilled = 0;
      }
      const take = Math.min(this.#payload.byteLength - this.#payloadFilled, chunk.byteLength - offset);
      this.#payload.set(chunk.subarray(offset, offset + take), this.#payloadFilled);
      this.#payloadFilled += take;
      offset += take;
      if (this.#payloadFilled === this.#payload.byteLength) {
        payloads.push(this.#payload);
        this.#payload = null;
        this.#headerFilled = 0;
      }
    }
    return payloads;
  }
}
