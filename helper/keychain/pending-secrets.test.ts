import { describe, expect, it } from 'vitest';
import { maximumPending, pendingLifetime, PendingSecrets } from './pending-secrets.ts';

class Rig {
  now = 1000;
  readonly expired: string[] = [];
  /** The one timer, if there is one. */
  timer: { callback: () => void; at: number } | null = null;
  readonly pending = new PendingSecrets(
    (references) => this.expired.push(...references),
    () => this.now,
    (callback, milliseconds) => {
      expect(this.timer).toBeNull();
      this.timer = { callback, at: this.now + milliseconds };
      return () => {
        this.timer = null;
      };
    },
  );

  pass(milliseconds: number): void {
    this.now += milliseconds;
    while (this.timer !== null && this.timer.at <= this.now) {
      const { callback } = this.timer;
      this.timer = null;
      callback();
    }
  }
}

describe('an imported secret that waits', () => {
  it('[K4] can be used by the uid that imported it, for an hour', () => {
    const { pending } = new Rig();
    pending.add('a', 1000);
    expect(pending.has('a', 1000)).toBe(true);
    for (const uid of [0, 1001]) expect(pending.has('a', uid)).toBe(false);
    expect(pending.has('b', 1000)).toBe(false);
  });

  it('[K4] is no longer of use after its hour, also while the timer is late', () => {
    const rig = new Rig();
    rig.pending.add('a', 1000);
    rig.now += pendingLifetime - 1;
    expect(rig.pending.has('a', 1000)).toBe(true);
    rig.now += 1;
    expect(rig.pending.has('a', 1000)).toBe(false);
  });

  it('[K4] goes after an hour, each at its time', () => {
    const rig = new Rig();
    rig.pending.add('a', 1000);
    rig.pass(1000);
    rig.pending.add('b', 1000);
    rig.pass(pendingLifetime - 1001);
    expect([rig.pending.has('a', 1000), rig.expired]).toEqual([true, []]);
    rig.pass(1);
    expect([rig.pending.has('a', 1000), rig.pending.has('b', 1000), rig.expired]).toEqual([
      false,
      true,
      ['a'],
    ]);
    rig.pass(1000);
    expect(rig.expired).toEqual(['a', 'b']);
  });

  it('[K4] stays once a configuration refers to it', () => {
    const rig = new Rig();
    rig.pending.add('a', 1000);
    rig.pending.settle('a');
    rig.pending.settle('unknown');
    rig.pass(2 * pendingLifetime);
    expect(rig.expired).toEqual([]);
    expect(rig.pending.has('a', 1000)).toBe(false);
  });

  it('[L14] has a timer, and nothing has one when none waits', () => {
    const rig = new Rig();
    expect(rig.timer).toBeNull();
    rig.pending.add('a', 1000);
    rig.pending.add('b', 1000);
    rig.pending.settle('a');
    expect(rig.timer).not.toBeNull();
    rig.pending.settle('b');
    expect(rig.timer).toBeNull();
    rig.pending.add('c', 1000);
    rig.pass(pendingLifetime);
    expect([rig.timer, rig.pending.size]).toEqual([null, 0]);
    rig.pending.add('d', 1000);
    rig.pending.stop();
    expect(rig.timer).toBeNull();
  });

  it('[K4] does not fill the disk: the oldest of a uid goes when it has a hundred', () => {
    const rig = new Rig();
    rig.pending.add('other', 1001);
    for (let number = 0; number <= maximumPending; number += 1) rig.pending.add(`s${String(number)}`, 1000);
    expect(rig.expired).toEqual(['s0']);
    expect(rig.pending.has('other', 1001)).toBe(true);
    expect(rig.pending.size).toBe(maximumPending + 1);
  });
});
