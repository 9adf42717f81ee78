import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import type { Outcome } from './attacks.ts';
import { attack, outcomeOf, sameOutcome } from './rig/attack.ts';
import { AttackRig, startHelper, trusted, uids } from './rig/attack-rig.ts';
import { gainSchema, mount, olderKernel } from './rig/attacker.ts';
import { execAfterConnect, execAfterSend, handOver, reusePid } from './rig/scripts.ts';

/** Attacks where the helper has a pid namespace of its own, or a kernel that can do less. */

let rig: AttackRig;
const gainNothing = 'tell(gain(connect()))';

afterAll(() => rig[Symbol.asyncDispose]());

/** Of two verified processes with one number, one after the other. */
async function reuse(attacked: AttackRig, when: 'at once' | 'while the helper sleeps'): Promise<Outcome> {
  const attacker = {
    uid: uids.attacker,
    executable: trusted.client,
    capability: 'checkpoint_restore',
    ...attacked.inside,
  };
  if (when === 'at once') {
    return outcomeOf(await mount(gainSchema, attacker, reusePid, attacked.endpoint, trusted.client));
  }
  attacked.freeze(1500);
  return outcomeOf(await mount(gainSchema, attacker, reusePid, attacked.endpoint, trusted.client, 'early'));
}

describe('in a pid namespace', () => {
  beforeAll(async () => {
    rig = await AttackRig.start({ pidNamespace: true });
  });

  afterAll(() => rig[Symbol.asyncDispose]());

  attack(
    () => rig,
    'identity/pid-reuse',
    async (attacked) =>
      sameOutcome([await reuse(attacked, 'at once'), await reuse(attacked, 'while the helper sleeps')]),
  );

  attack(
    () => rig,
    'identity/other-pid-namespace',
    async ({ endpoint, inside }) => {
      // Of a process above its own namespace the helper sees neither number nor file.
      const above = [
        { uid: 0 },
        { uid: 0, executable: trusted.client },
        { uid: uids.attacker, executable: trusted.client },
      ];
      const outcomes: Outcome[] = [];
      for (const attacker of above) {
        outcomes.push(outcomeOf(await mount(gainSchema, attacker, gainNothing, endpoint)));
      }
      const below = `
assert libc.unshare(0x20000000) == 0
inner = os.fork()
if inner != 0: os._exit(os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]))
assert os.getpid() == 1 and os.getuid() == 0
tell(gain(connect()))
`;
      outcomes.push(outcomeOf(await mount(gainSchema, { uid: 0, ...inside }, below, endpoint)));
      return sameOutcome(outcomes);
    },
  );
});

describe('on a kernel that lacks SO_PEERPIDFD', () => {
  beforeAll(async () => {
    rig = await AttackRig.start({ pidNamespace: true, before: olderKernel('SO_PEERPIDFD') });
  });

  attack(
    () => rig,
    'identity/older-kernel',
    async (attacked) => {
      const stranger = { uid: uids.attacker, ...attacked.inside };
      const verified = { ...stranger, executable: trusted.client };
      const words = [attacked.endpoint, trusted.client];
      const outcomes: Outcome[] = [];
      for (const script of [execAfterConnect, execAfterSend]) {
        attacked.freeze(1000);
        outcomes.push(outcomeOf(await mount(gainSchema, stranger, script, ...words)));
      }
      outcomes.push(outcomeOf(await mount(gainSchema, verified, handOver, ...words)));
      outcomes.push(await reuse(attacked, 'at once'));

      // Without pidfd_open nobody can be pinned, and nobody is let in, root included.
      const directory = '/run/attack/oldest';
      await mkdir(directory, { mode: 0o755 });
      const state = await mkdtemp(join(tmpdir(), 'sallyport-attacked-'));
      const endpoint = `${directory}/endpoint.sock`;
      await using _oldest = await startHelper(state, { before: olderKernel('pidfd_open too'), endpoint });
      for (const uid of [uids.attacker, 0]) {
        const gained = await mount(gainSchema, { uid, executable: trusted.client }, gainNothing, endpoint);
        outcomes.push(outcomeOf(gained));
      }
      await rm(state, { recursive: true });
      return sameOutcome(outcomes);
    },
  );
});
