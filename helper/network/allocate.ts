import { createHash } from 'node:crypto';
import type { RuleFact } from './system.ts';

/** A session's own numbers in the system; mark and table are the same number. */
export interface Allocation {
  readonly fwmark: number;
  readonly table: number;
  /** Of its first rule; the second has the next number. */
  readonly priority: number;
}

/** Above what people and other programs choose by hand; the low 12 bits are the slot. */
const numberBase = 0x5a11_0000;
const slots = 4096;
/** Between the kernel's rule for local addresses (0) and its rule for the main table (32766). */
const priorityBase = 16_000;

/**
 * Chooses a session's numbers: always the same for a session, except where somebody else has them.
 *
 * @param rules all rules of both families
 * @param taken tables that sessions without rules, ours or another extension's, hold
 */
export function allocate(
  extension: string,
  session: string,
  rules: readonly RuleFact[],
  taken: ReadonlySet<number>,
): Allocation {
  const numbers = new Set<number>(taken);
  const priorities = new Set<number>();
  for (const rule of rules) {
    numbers.add(rule.table);
    if (rule.fwmark !== null) numbers.add(rule.fwmark);
    priorities.add(rule.priority);
  }
  const digest = createHash('sha256').update(`${extension}\0${session}`).digest();
  const start = digest.readUInt16BE(0) % slots;
  for (let step = 0; step < slots; step += 1) {
    const slot = (start + step) % slots;
    const number = numberBase + slot;
    const priority = priorityOf(number);
    if (!numbers.has(number) && !priorities.has(priority) && !priorities.has(priority + 1)) {
      return { fwmark: number, table: number, priority };
    }
  }
  throw new RangeError(
    'All 4096 routing tables for tunnels are in use. Disconnect tunnels that nobody needs.',
  );
}

/** The first rule's priority for a session's table. */
export function priorityOf(table: number): number {
  return priorityBase + 2 * (table % slots);
}
