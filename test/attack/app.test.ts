import { mkdtemp, rm, writeFile, chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { run } from '../rig/run.ts';
import type { Outcome } from './attacks.ts';
import { attack, outcomeOf } from './rig/attack.ts';
import { AttackRig, trusted, uids } from './rig/attack-rig.ts';
import { gainSchema, mount, type Gain } from './rig/attacker.ts';
import { bridgeSource, victim } from './rig/injection.ts';

/**
 * The trusted program in the hands of its own uid, which Linux lets do anything to it: what counts is that nothing is
 * had by it that this uid may not do anyway.
 */

let rig: AttackRig;
let directory: string;
const own = { uid: uids.attacker };

beforeAll(async () => {
  rig = await AttackRig.start();
  directory = await mkdtemp('/run/attack/app-');
  await chmod(directory, 0o755);
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** Compares with what the same program has when nobody tampers with it. */
async function comparedWithHonest(attacked: AttackRig, gained: Gain): Promise<Outcome> {
  const honest = { ...own, executable: trusted.client };
  const fair = await mount(gainSchema, honest, 'tell(gain(connect()))', attacked.endpoint);
  expect(fair.answered).toContain('hello');
  for (const method of ['configurations.save', 'log.read']) expect(fair.denied).toContain(method);
  // It did get in: otherwise the test would show nothing.
  expect(gained.answered).toContain('extension.list');
  expect(gained).toEqual(fair);
  return 'ownRole';
}

attack(
  () => rig,
  'app/preload',
  async (attacked) => {
    const library = join(directory, 'bridge.so');
    await writeFile(join(directory, 'bridge.c'), bridgeSource);
    await run('cc', ['-shared', '-fPIC', '-O1', '-o', library, join(directory, 'bridge.c')]);
    const script = `
ours, theirs = socket.socketpair()
environment = {**os.environ, 'LD_PRELOAD': sys.argv[3], 'BRIDGE': '%d' % theirs.fileno(), 'ENDPOINT': PATH}
child = subprocess.Popen([sys.argv[2], '-c', ''], env=environment, pass_fds=[theirs.fileno()])
theirs.close()
ours.settimeout(10)
tell(gain(ours))
child.kill()
`;
    const gained = await mount(gainSchema, own, script, attacked.endpoint, trusted.client, library);
    return comparedWithHonest(attacked, gained);
  },
);

/** The trusted program asks for what the attacker wants. */
async function overwritten(attacked: AttackRig, way: 'ptrace' | 'memory'): Promise<Outcome> {
  const words = [attacked.endpoint, trusted.client, way];
  return comparedWithHonest(attacked, await mount(gainSchema, own, victim, ...words));
}

attack(
  () => rig,
  'app/ptrace',
  (attacked) => overwritten(attacked, 'ptrace'),
);

attack(
  () => rig,
  'app/process-memory',
  (attacked) => overwritten(attacked, 'memory'),
);

attack(
  () => rig,
  'app/memory-dump',
  async (attacked) => {
    const words = [attacked.endpoint, trusted.client, 'nonce'];
    return outcomeOf(await mount(gainSchema, own, victim, ...words));
  },
);
