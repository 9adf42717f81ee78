import { describe, expect, it } from 'vitest';
import { encodeFrames } from '@sallyport/shared/protocol/frames.ts';
import { TurnOutbox } from './turn-outbox.ts';

function recorder() {
  const sent: [kind: 'one' | 'together', connection: number, bytes: Uint8Array][] = [];
  const outbox = new TurnOutbox({
    send: (connection, payload) => sent.push(['one', connection, payload]) > 0,
    sendTogether: (connection, frames) => sent.push(['together', connection, frames]) > 0,
  });
  return { sent, outbox };
}

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

describe('TurnOutbox', () => {
  it('sends what a turn has for each connection together, in order', async () => {
    const { sent, outbox } = recorder();
    outbox.add(1, bytes(1));
    outbox.add(2, bytes(2));
    await Promise.resolve();
    outbox.add(1, bytes(3, 4));
    expect(sent).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toEqual([
      ['together', 1, encodeFrames([bytes(1), bytes(3, 4)])],
      ['one', 2, bytes(2)],
    ]);
  });

  it('sends at once on demand, and then not again', async () => {
    const { sent, outbox } = recorder();
    outbox.add(1, bytes(1));
    outbox.add(2, bytes(2));
    outbox.flush(1);
    outbox.flush(3);
    expect(sent).toEqual([['one', 1, bytes(1)]]);
    outbox.flushAll();
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toEqual([
      ['one', 1, bytes(1)],
      ['one', 2, bytes(2)],
    ]);
  });

  it('does not hold much', () => {
    const { sent, outbox } = recorder();
    for (let count = 0; count < 100; count += 1) outbox.add(1, new Uint8Array(8000));
    expect(sent.length).toBeGreaterThanOrEqual(2);
    for (const [, , frames] of sent) expect(frames.byteLength).toBeLessThan(300_000);
  });
});
