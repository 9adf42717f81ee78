import { chown, copyFile, link, mkdir, unlink } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import * as z from 'zod';
import { run } from '../rig/run.ts';
import { waitUntil } from '../rig/wait.ts';
import { Agent } from './rig/agent.ts';
import { attack, outcomeOf, sameOutcome } from './rig/attack.ts';
import { AttackRig, installTrusted, trusted, uids } from './rig/attack-rig.ts';
import { attackerText, gainSchema, mount } from './rig/attacker.ts';
import type { Outcome } from './attacks.ts';
import { execAfterConnect, execAfterSend, handOver, namespaceRoot, strayDescriptors } from './rig/scripts.ts';

/** Who belongs to the other end of a connection: other programs and users against a helper of root. */

let rig: AttackRig;
const stranger = { uid: uids.attacker };
/** Of one uid only a few refusals are logged whole within ten seconds. */
const loggedApart = { connect: uids.attacker + 1, send: uids.attacker + 2 };

beforeAll(async () => {
  rig = await AttackRig.start();
});

afterAll(() => rig[Symbol.asyncDispose]());

/** Each attempt is in the log once, with who it was: the kernel's words, not the attacker's. */
async function expectRefusals(
  attacked: AttackRig,
  uid: number,
  count: number,
  reason: RegExp,
): Promise<void> {
  const refusals = () =>
    attacked.log.flatMap((line) => {
      const { success, data } = refusalSchema.safeParse(JSON.parse(line));
      return success && data.fields.uid === uid ? [data] : [];
    });
  await waitUntil('the refusals in the log', () => refusals().length >= count);
  expect(refusals()).toHaveLength(count);
  for (const { message, fields } of refusals()) {
    expect(message).toMatch(reason);
    expect(fields.executable).not.toBe('');
  }
  expect(new Set(refusals().map(({ fields }) => fields.pid)).size).toBe(count);
}

const refusalSchema = z.object({
  message: z.string().startsWith('A caller was refused: '),
  fields: z.object({ pid: z.int().positive(), uid: z.int(), executable: z.string() }),
});

describe('[E3, E4] the process at the other end', () => {
  attack(
    () => rig,
    'identity/bound-name',
    async (attacked) => {
      const { endpoint } = attacked;
      const script = `
peer = socket.socket(socket.AF_UNIX)
peer.bind(sys.argv[2].replace('@', '\\0'))
peer.settimeout(10)
peer.connect(PATH)
tell(gain(peer))
`;
      const names = ['@;uid=0;', `@${trusted.client}`, '/tmp/;pid=1;uid=0;exe=client\n{"level":"error"}'];
      const outcomes: Outcome[] = [];
      for (const name of names) {
        outcomes.push(
          outcomeOf(await mount(gainSchema, stranger, script, endpoint, `${name}${String(Date.now())}`)),
        );
      }
      await run('sh', ['-c', 'rm -f /tmp/*uid=0*']);
      await expectRefusals(attacked, uids.attacker, names.length, /not the container app/);
      return sameOutcome(outcomes);
    },
  );

  attack(
    () => rig,
    'identity/exec-after-connect',
    async (attacked) => {
      const outcomes: Outcome[] = [];
      for (let round = 0; round < 3; round += 1) {
        // The helper sleeps meanwhile: no luck is needed.
        attacked.freeze(1000);
        outcomes.push(
          outcomeOf(
            await mount(
              gainSchema,
              { uid: loggedApart.connect },
              execAfterConnect,
              attacked.endpoint,
              trusted.client,
            ),
          ),
        );
      }
      // The race was won each time: the process was pinned with the trusted program, and only its bytes told.
      await expectRefusals(attacked, loggedApart.connect, 3, /another process used its connection/);
      return sameOutcome(outcomes);
    },
  );

  attack(
    () => rig,
    'identity/exec-after-send',
    async (attacked) => {
      const outcomes: Outcome[] = [];
      for (const guess of [[], ['with a guessed nonce']]) {
        attacked.freeze(1000);
        const words = [attacked.endpoint, trusted.client, ...guess];
        outcomes.push(outcomeOf(await mount(gainSchema, { uid: loggedApart.send }, execAfterSend, ...words)));
      }
      await expectRefusals(attacked, loggedApart.send, 2, /it spoke before it was let in/);
      return sameOutcome(outcomes);
    },
  );

  attack(
    () => rig,
    'identity/forged-pid',
    async ({ endpoint }) => {
      const script = `${namespaceRoot}
# Inside: 1 is the forger, who may claim any number that it sees; its child is the trusted program.
ours, theirs = socket.socketpair()
child = os.fork()
if child == 0:
    os.set_inheritable(theirs.fileno(), True)
    code = 'import socket, sys, array\\np = socket.socket(socket.AF_UNIX); p.connect(sys.argv[1]); s = socket.socket(fileno=int(sys.argv[2])); s.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [p.fileno()]))]); s.recv(1)'
    os.execv(sys.argv[2], [sys.argv[2], '-c', code, PATH, str(theirs.fileno())])
_, ancillary, _, _ = ours.recvmsg(1, 100)
peer = socket.socket(fileno=struct.unpack('i', ancillary[0][2][:4])[0])
peer.settimeout(3)
first = receive(peer)
try:
    claim = struct.pack('3i', child, os.getuid(), os.getgid())
    for data in (frame(first or b''), request(1, 'hello', HELLO), request(2, 'events.subscribe')):
        peer.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, claim)])
except OSError:
    pass
tell(rest(peer))
`;
      return outcomeOf(await mount(gainSchema, stranger, script, endpoint, trusted.client));
    },
  );

  attack(
    () => rig,
    'identity/handed-over',
    async ({ endpoint }) => {
      const outcomes: Outcome[] = [];
      for (const uid of [uids.attacker, 0]) {
        const giver = { uid, executable: trusted.client };
        const words = [endpoint, trusted.client, String(uids.attacker)];
        outcomes.push(outcomeOf(await mount(gainSchema, giver, handOver, ...words)));
      }
      return sameOutcome(outcomes);
    },
  );

  attack(
    () => rig,
    'identity/stray-descriptors',
    async ({ endpoint }) => {
      const verified = { uid: uids.attacker, executable: trusted.client };
      const seen = [
        ...(await mount(z.array(z.string()), stranger, strayDescriptors(false), endpoint)),
        ...(await mount(z.array(z.string()), verified, strayDescriptors(true), endpoint)),
      ];
      expect(seen).not.toEqual([]);
      // Since Linux 6.16 the kernel itself can be told to pass none, socket(7).
      return seen.every((how) => how === 'not passed' || how === 'closed') ? 'noneTaken' : 'served';
    },
  );

  attack(
    () => rig,
    'identity/namespace-root',
    async ({ endpoint }) => {
      const script = `${namespaceRoot}\ntell(gain(connect()))`;
      const same = `
assert libc.unshare(0x10000000) == 0
open('/proc/self/setgroups', 'w').write('deny')
open('/proc/self/uid_map', 'w').write('0 %d 1' % int(sys.argv[2]))
assert os.getuid() == 0
tell(gain(connect()))
`;
      const own = String(uids.attacker);
      return sameOutcome([
        outcomeOf(await mount(gainSchema, stranger, script, endpoint, own)),
        outcomeOf(await mount(gainSchema, stranger, same, endpoint, own)),
        outcomeOf(await mount(gainSchema, { ...stranger, executable: trusted.client }, same, endpoint, own)),
      ]);
    },
  );

  attack(
    () => rig,
    'identity/replaced-executable',
    async ({ endpoint }) => {
      const outcomes: Outcome[] = [];
      for (const how of ['replaced', 'deleted'] as const) {
        await using client = await Agent.start(endpoint, { uid: uids.attacker, executable: trusted.second });
        if (how === 'replaced') await installTrusted(trusted.second);
        else await unlink(trusted.second);
        const { error, result } = await client.connect();
        if (result !== undefined || error?.data === undefined) throw new Error('It was let in.');
        outcomes.push(error.data.code === 'accessDenied' ? 'refused' : 'closed');
        await installTrusted(trusted.second);
      }
      return sameOutcome(outcomes);
    },
  );

  attack(
    () => rig,
    'identity/copied-executable',
    async ({ endpoint }) => {
      const own = '/run/attack/own';
      await mkdir(own, { recursive: true });
      await chown(own, uids.attacker, uids.attacker);
      await copyFile(trusted.client, `${own}/copy`);
      await link(trusted.client, `${own}/link`);
      await copyFile(trusted.client, `${own}/client`);
      await chown(`${own}/client`, uids.attacker, uids.attacker);
      const outcomes: Outcome[] = [];
      for (const name of ['copy', 'link', 'client']) {
        const attacker = { ...stranger, executable: `${own}/${name}` };
        outcomes.push(outcomeOf(await mount(gainSchema, attacker, 'tell(gain(connect()))', endpoint)));
      }
      // Root alone may do this, in mount namespaces of which the helper's is one: the path is right, the file is not.
      const bound = `mount --bind ${own}/client ${trusted.client} && exec setpriv --reuid ${String(uids.attacker)} --clear-groups ${trusted.client} -c "$0" ${endpoint}`;
      const text = `${await attackerText('endpoint.py')}\ntell(gain(connect()))`;
      const output = await run('unshare', ['--mount', 'sh', '-c', bound, text], {
        env: { PYTHONHOME: '/usr', PATH: '/usr/bin:/bin' },
      });
      outcomes.push(outcomeOf(gainSchema.parse(JSON.parse(output))));
      await unlink(`${own}/link`);
      return sameOutcome(outcomes);
    },
  );
});
