import { describe, expect, it } from 'vitest';
import {
  maximumRequestsPerConnection,
  maximumRequestsPerUid,
  requestBurst,
  requestsPerSecond,
} from '@sallyport/shared/protocol/limits.ts';
import { RequestLimits } from './request-limits.ts';

function make(): { limits: RequestLimits; clock: { now: number } } {
  const clock = { now: 0 };
  return { limits: new RequestLimits(() => clock.now), clock };
}

/** How many of so many requests, each answered at once, are let in. */
function admitted(limits: RequestLimits, uid: number, count: number): number {
  let in_ = 0;
  for (let index = 0; index < count; index += 1) {
    if (limits.admit(uid, 0) !== null) continue;
    in_ += 1;
    limits.release(uid);
  }
  return in_;
}

describe('requests', () => {
  it('are let in in a burst, then at a rate, and say when to try again', () => {
    const { limits, clock } = make();
    expect(admitted(limits, 1000, 1000)).toBe(requestBurst);
    expect(limits.admit(1000, 0)).toMatchObject({
      code: 'tooManyRequests',
      details: { retryAfter: 1000 / requestsPerSecond },
    });
    clock.now = 1000;
    expect(admitted(limits, 1000, 1000)).toBe(requestsPerSecond);
    clock.now = 1_000_000;
    expect(admitted(limits, 1000, 1000)).toBe(requestBurst);
  });

  it('of one uid leave another’s alone, and root’s are not counted', () => {
    const { limits } = make();
    admitted(limits, 1000, 1000);
    expect(admitted(limits, 1001, 1)).toBe(1);
    expect(admitted(limits, 0, 10_000)).toBe(10_000);
  });

  it('that wait are bounded per connection and per uid', () => {
    const { limits, clock } = make();
    expect(limits.admit(0, maximumRequestsPerConnection)).toMatchObject({ code: 'tooManyRequests' });
    expect(limits.admit(1000, maximumRequestsPerConnection)).toMatchObject({ code: 'tooManyRequests' });
    let waiting = 0;
    for (let second = 0; second < 20; second += 1) {
      clock.now = second * 1000;
      while (limits.admit(1000, 0) === null) waiting += 1;
    }
    expect(waiting).toBe(maximumRequestsPerUid);
    limits.release(1000);
    expect(limits.admit(1000, 0)).toBeNull();
  });

  it('of any number of uids take bounded room', () => {
    const { limits, clock } = make();
    for (let uid = 1; uid < 10_000; uid += 1) {
      clock.now += 1;
      admitted(limits, uid, 3);
    }
    expect(limits.size).toBeLessThanOrEqual(512);
  });

  it('do not become more when the clock stands or goes back', () => {
    const { limits, clock } = make();
    admitted(limits, 1000, 1000);
    clock.now = -5000;
    expect(admitted(limits, 1000, 10)).toBe(0);
  });
});
