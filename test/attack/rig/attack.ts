import { expect, test } from 'vitest';
import { expectedOf, type AttackId, type Outcome } from '../attacks.ts';
import { waitUntil } from '../../rig/wait.ts';
import type { AttackRig, Condition } from './attack-rig.ts';
import type { Gain } from './attacker.ts';

/** Longest that a verified client's call may take while an attack goes on, in milliseconds. */
export const patience = 500;

/**
 * A test that mounts the attack of that line, and then sees whether the helper is what it was: the same process, no
 * descriptor more, each log line one line, and its verified clients served, old and new.
 *
 * @param body returns what came of it, which must be what the table says
 */
export function attack(
  rig: () => AttackRig,
  id: AttackId,
  body: (rig: AttackRig) => Promise<Outcome>,
  timeout?: number,
): void {
  test(
    id,
    async () => {
      const attacked = rig();
      const before = await attacked.condition();
      expect(await body(attacked)).toBe(expectedOf(id));
      await expectUnharmed(attacked, before);
    },
    timeout,
  );
}

/** @param before its condition before whatever was done to it */
export async function expectUnharmed(rig: AttackRig, before: Condition): Promise<void> {
  expect(rig.pid).toBe(before.pid);
  const answer = await rig.witness.call('extension.list');
  expect(answer.result).toBeDefined();
  expect(answer.milliseconds).toBeLessThan(patience);
  {
    await using newcomer = await rig.verified();
    expect((await newcomer.call('extension.list')).result).toBeDefined();
  }
  await waitUntil(
    `no more than ${String(before.descriptors)} descriptors`,
    async () => (await rig.descriptors()) <= before.descriptors,
  );
  for (const line of rig.log.slice(before.lines)) {
    expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    expect(() => void JSON.parse(line)).not.toThrow();
  }
}

/** What an attacker had of its connection, in the table's words. @throws {Error} it had more */
export function outcomeOf(gain: Gain): Outcome {
  if (gain.answered.length > 0) throw new Error(`It was answered: ${JSON.stringify(gain)}`);
  if (gain.refusal !== null) {
    if (!gain.closed) throw new Error(`It was refused and not closed: ${JSON.stringify(gain)}`);
    return 'refused';
  }
  if (gain.closed) return 'closed';
  throw new Error(`It was left waiting: ${JSON.stringify(gain)}`);
}

/** The one outcome of several variants. @throws {Error} they differ */
export function sameOutcome(outcomes: readonly Outcome[]): Outcome {
  const [first, ...others] = new Set(outcomes);
  if (first === undefined || others.length > 0) throw new Error(`Outcomes differ: ${outcomes.join(', ')}`);
  return first;
}
