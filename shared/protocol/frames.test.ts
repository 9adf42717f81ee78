import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFrame, encodeFrames, FrameDecoder, FrameError, frameHeaderBytes } from './frames.ts';

const maximum = 64;
const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: maximum }), { maxLength: 8 });

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Cuts bytes at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const bounds = [0, ...[...places].sort((a, b) => a - b), bytes.byteLength];
  return bounds.slice(1).map((end, index) => bytes.subarray(bounds[index], end));
}

describe('frames', () => {
  it('come out as they went in, in whatever pieces they arrive', () => {
    const input = payloads.chain((all) => {
      const bytes = concatenate(all.map(encodeFrame));
      const places = fc.array(fc.nat({ max: bytes.byteLength }), { maxLength: 12 });
      return fc.record({ all: fc.constant(all), pieces: places.map((each) => cut(bytes, each)) });
    });
    fc.assert(
      fc.property(input, ({ all, pieces }) => {
        const decoder = new FrameDecoder(maximum);
        expect(pieces.flatMap((piece) => decoder.push(piece))).toEqual(all);
      }),
    );
  });

  it('are the same when they are put into one piece', () => {
    fc.assert(
      fc.property(payloads, (all) => {
        expect(encodeFrames(all)).toEqual(concatenate(all.map(encodeFrame)));
      }),
    );
  });

  it('come out when every byte arrives alone', () => {
    const payload = new Uint8Array([1, 2, 3]);
    const decoder = new FrameDecoder(maximum);
    const out = [...encodeFrame(payload)].map((byte) => decoder.push(new Uint8Array([byte])));
    expect(out.slice(0, -1)).toEqual(Array.from({ length: frameHeaderBytes + 2 }, () => []));
    expect(out.at(-1)).toEqual([payload]);
  });

  it('are not what they were cut from: changing the input later changes nothing', () => {
    const bytes = encodeFrame(new Uint8Array([7]));
    const [payload] = new FrameDecoder(maximum).push(bytes);
    bytes.fill(0);
    expect(payload).toEqual(new Uint8Array([7]));
  });

  it('have a big-endian length first', () => {
    expect([...encodeFrame(new Uint8Array(258)).subarray(0, frameHeaderBytes)]).toEqual([0, 0, 1, 2]);
  });
});

describe('a broken stream', () => {
  it.each<[string, number, FrameError['code']]>([
    ['an empty frame', 0, 'emptyFrame'],
    ['one byte too many', maximum + 1, 'frameTooLarge'],
    ['2 GiB, which a signed reader takes for negative', 0x8000_0000, 'frameTooLarge'],
    ['the largest length there is', 0xffff_ffff, 'frameTooLarge'],
  ])('ends with an error after %s, before a payload is awaited', (_title, length, code) => {
    const header = new Uint8Array(frameHeaderBytes);
    new DataView(header.buffer).setUint32(0, length);
    expect(() => new FrameDecoder(maximum).push(header)).toThrow(FrameError);
    expect(() => new FrameDecoder(maximum).push(header)).toThrow(expect.objectContaining({ code }));
  });

  it('takes time linear in its bytes, also when they drip in', () => {
    const size = 1024 * 1024;
    const decoder = new FrameDecoder(size);
    decoder.push(encodeFrame(new Uint8Array(size)).subarray(0, frameHeaderBytes));
    const one = new Uint8Array(1);
    const begun = performance.now();
    for (let sent = 1; sent < size; sent += 1) decoder.push(one);
    expect(decoder.push(one)).toHaveLength(1);
    // Copying what had arrived with every byte would move 500 GB; one pass takes a few hundred milliseconds.
    expect(performance.now() - begun).toBeLessThan(10_000);
  });
});
