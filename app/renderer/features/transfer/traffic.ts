import type { SessionStatistics } from '@sallyport/shared/protocol/session.ts';

/** Counters of a session at one moment. */
export interface TrafficSample {
  /** Unix milliseconds. */
  readonly at: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** Bytes per second between two samples. */
export interface TrafficRate {
  readonly received: number;
  readonly sent: number;
}

/** How many samples are kept: a minute, one each second. */
export const historyLength = 61;

/** Adds a sample; counters that went back belong to a new run, which begins anew. */
export function addSample(
  history: readonly TrafficSample[],
  statistics: SessionStatistics,
  at: number,
): readonly TrafficSample[] {
  const sample = { at, receivedBytes: statistics.receivedBytes, sentBytes: statistics.sentBytes };
  const last = history.at(-1);
  if (last === undefined) return [sample];
  if (sample.receivedBytes < last.receivedBytes || sample.sentBytes < last.sentBytes) return [sample];
  if (at <= last.at) return history;
  return [...history, sample].slice(-historyLength);
}

/** The rates between neighbouring samples, oldest first. */
export function rates(history: readonly TrafficSample[]): readonly TrafficRate[] {
  return history.slice(1).map((sample, index) => {
    const before = history[index] ?? sample;
    const seconds = Math.max(0.001, (sample.at - before.at) / 1000);
    return {
      received: (sample.receivedBytes - before.receivedBytes) / seconds,
      sent: (sample.sentBytes - before.sentBytes) / seconds,
    };
  });
}

/**
 * Points of a line for an SVG of the given size, the newest at the right edge.
 *
 * @param ceiling value at the upper edge
 */
export function linePoints(
  values: readonly number[],
  ceiling: number,
  width: number,
  height: number,
): readonly (readonly [x: number, y: number])[] {
  const step = width / (historyLength - 2);
  return values.map((value, index) => [
    width - (values.length - 1 - index) * step,
    height - (ceiling <= 0 ? 0 : Math.min(1, value / ceiling)) * height,
  ]);
}
