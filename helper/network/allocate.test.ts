import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocate, priorityOf } from './allocate.ts';
import type { RuleFact } from './system.ts';

const rule = (priority: number, table: number, fwmark: number | null): RuleFact => ({
  family: 4,
  priority,
  table,
  fwmark,
  invert: true,
  suppressPrefixLength: null,
  plain: true,
});

describe('allocate', () => {
  it('gives a session the same numbers each time, and other sessions others', () => {
    const first = allocate('com.example.a', 'one', [], new Set());
    expect(allocate('com.example.a', 'one', [], new Set())).toEqual(first);
    expect(allocate('com.example.a', 'two', [], new Set())).not.toEqual(first);
    expect(allocate('com.example.b', 'one', [], new Set())).not.toEqual(first);
    expect(first.fwmark >>> 16).toBe(0x5a11);
    expect(priorityOf(first.table)).toBe(first.priority);
  });

  it('evades tables, marks and priorities that are in use', () => {
    const { table, priority } = allocate('x', 'one', [], new Set());
    for (const taken of [
      [rule(5, table, null)],
      [rule(5, 7, table)],
      [rule(priority, 7, null)],
      [rule(priority + 1, 7, null)],
    ]) {
      expect(allocate('x', 'one', taken, new Set()).table).not.toBe(table);
    }
    expect(allocate('x', 'one', [], new Set([table])).table).not.toBe(table);
  });

  it('[L10] never gives two sessions the same, until all are gone', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { maxLength: 200 }), (sessions) => {
        const taken = new Set<number>();
        for (const session of sessions) {
          const { table, priority } = allocate('x', session, [], taken);
          expect(taken.has(table)).toBe(false);
          expect(priority).toBeGreaterThan(0);
          expect(priority + 1).toBeLessThan(32_766);
          taken.add(table);
        }
      }),
      { numRuns: 20 },
    );
    const all = new Set(Array.from({ length: 4096 }, (_, slot) => 0x5a11_0000 + slot));
    expect(() => allocate('x', 'one', [], all)).toThrow(RangeError);
  });
});
