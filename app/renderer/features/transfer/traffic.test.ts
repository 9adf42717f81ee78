import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addSample, historyLength, linePoints, rates, type TrafficSample } from './traffic.ts';

function statistics(receivedBytes: number, sentBytes: number) {
  return { receivedBytes, sentBytes, malformedPackets: 0, droppedPackets: 0, peers: [] };
}

describe('addSample', () => {
  it('begins anew when counters went back', () => {
    const history = addSample(addSample([], statistics(100, 50), 0), statistics(200, 60), 1000);
    expect(addSample(history, statistics(5, 5), 2000)).toEqual([
      { at: 2000, receivedBytes: 5, sentBytes: 5 },
    ]);
  });

  it('ignores a sample of the same moment', () => {
    const history = addSample([], statistics(1, 1), 1000);
    expect(addSample(history, statistics(2, 2), 1000)).toBe(history);
  });

  it('keeps a minute, and its rates are never negative', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ received: fc.nat(), sent: fc.nat(), pause: fc.integer({ min: -5, max: 5000 }) }),
        ),
        (steps) => {
          let history: readonly TrafficSample[] = [];
          let at = 0;
          for (const { received, sent, pause } of steps) {
            at += pause;
            history = addSample(history, statistics(received, sent), at);
          }
          expect(history.length).toBeLessThanOrEqual(historyLength);
          for (const rate of rates(history)) {
            expect(rate.received).toBeGreaterThanOrEqual(0);
            expect(rate.sent).toBeGreaterThanOrEqual(0);
          }
        },
      ),
    );
  });
});

describe('rates', () => {
  it('divides by the time that passed', () => {
    const history = addSample(addSample([], statistics(0, 0), 0), statistics(3000, 500), 2000);
    expect(rates(history)).toEqual([{ received: 1500, sent: 250 }]);
  });
});

describe('linePoints', () => {
  it('ends at the right edge and stays inside', () => {
    const points = linePoints([0, 50, 500], 100, 59, 10);
    expect(points).toEqual([
      [57, 10],
      [58, 5],
      [59, 0],
    ]);
  });

  it('is flat without a ceiling', () => {
    expect(linePoints([0], 0, 10, 10)).toEqual([[10, 10]]);
  });
});
