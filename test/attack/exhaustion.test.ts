import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import * as z from 'zod';
import type { Outcome } from './attacks.ts';
import { attack, patience } from './rig/attack.ts';
import { AttackRig, trusted, uids } from './rig/attack-rig.ts';
import { mount, type Attacker } from './rig/attacker.ts';
import type { Agent } from './rig/agent.ts';
import { saved } from './rig/drafts.ts';

/** Whatever one user's programs do, those of another are served: their calls are timed while the attack goes on. */

let rig: AttackRig;
let administrator: Agent;
const stranger: Attacker = { uid: uids.attacker };
const verified: Attacker = { uid: uids.attacker, executable: trusted.client };
/** Seconds that each attack lasts. */
const length = 4;
/** Kilobytes that the helper may grow by, and keep. */
const growth = 24 * 1024;

beforeAll(async () => {
  rig = await AttackRig.start();
  administrator = await rig.administrator();
});

afterAll(async () => {
  await administrator[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

/**
 * Mounts a script, which goes on while `lasts()` and prints how often it did its worst, at least `least` times; calls
 * meanwhile as a verified client would.
 */
async function under(attackers: readonly Attacker[], script: string, least: number): Promise<Outcome> {
  const memory = await residentMemory();
  const text = `
end = time.time() + ${String(length)}
def lasts(): return time.time() < end
${script}
`;
  const over = new AbortController();
  const mounted = Promise.all(
    attackers.map((attacker) => mount(z.int(), attacker, text, rig.endpoint)),
  ).finally(() => {
    over.abort();
  });
  const times: number[] = [];
  while (!over.signal.aborted) {
    const answer = await rig.witness.call('extension.list');
    if (answer.result === undefined || answer.milliseconds === undefined) {
      throw new Error(`The witness was not served: ${JSON.stringify(answer)}`);
    }
    times.push(answer.milliseconds);
    // Below what a uid may ask for.
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  for (const count of await mounted) expect(count).toBeGreaterThanOrEqual(least);
  expect(times.length).toBeGreaterThan(50);
  const slow = times.toSorted((one, other) => one - other)[Math.floor(times.length * 0.99)] ?? Infinity;
  expect(slow).toBeLessThan(patience);
  expect((await residentMemory()) - memory).toBeLessThan(growth);
  return 'inTime';
}

async function residentMemory(): Promise<number> {
  const status = await readFile(`/proc/${String(rig.pid)}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
}

describe('[E10] verified clients keep their service', () => {
  attack(
    () => rig,
    'exhaustion/drip',
    () =>
      under(
        [verified, stranger],
        `
peers, sent = [], 0
while lasts():
    while len(peers) < 40:
        try:
            peer = connect(); head = receive(peer); peers.append((peer, frame(head or b'x') + request(1, 'hello', HELLO), [0]))
        except OSError: break
    for entry in list(peers):
        peer, data, at = entry
        try: peer.sendall(data[at[0]:at[0] + 1]); at[0] += 1; sent += 1
        except OSError: peers.remove(entry); peer.close()
        if at[0] >= len(data) - 1: at[0] = 0
    time.sleep(0.02)
tell(sent)
`,
        200,
      ),
  );

  attack(
    () => rig,
    'exhaustion/half-open',
    () =>
      under(
        [verified, stranger],
        `
peers, made = [], 0
while lasts():
    try:
        peer = socket.socket(socket.AF_UNIX); peer.setblocking(False); peer.connect(PATH)
        made += 1
        if made % 3 == 1: peer.shutdown(socket.SHUT_RD)
        if made % 3 == 2: peer.shutdown(socket.SHUT_WR)
        peers.append(peer)
    except OSError: time.sleep(0.01)
    if len(peers) > 300: peers.pop(0).close()
tell(made)
`,
        100,
      ),
  );

  attack(
    () => rig,
    'exhaustion/descriptors',
    () =>
      under(
        [stranger, verified],
        `
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
peers, most = [], 0
while lasts():
    try:
        peer = socket.socket(socket.AF_UNIX); peer.setblocking(False); peer.connect(PATH); peers.append(peer)
    except BlockingIOError: peer.close(); time.sleep(0.005)
    most = max(most, len(peers))
    if len(peers) >= 1500:
        for peer in peers[:750]: peer.close()
        del peers[:750]
tell(most)
`,
        1000,
      ),
  );

  attack(
    () => rig,
    'exhaustion/deaf-subscriber',
    async () => {
      const id = await saved(administrator);
      const outcome = under(
        [verified],
        `
peer = connect()
assert admit(peer)[0] and 'result' in call(peer, 1, 'hello', HELLO)
peers, asked = [peer], 0
peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
while lasts():
    peer.settimeout(0.5)
    try:
        for number in range(2, 40): peer.sendall(request(number + asked, 'events.subscribe')); asked += 1
    except OSError:
        peer.close()
        try:
            peer = connect(); admit(peer); call(peer, 1, 'hello', HELLO)
        except OSError: pass
    time.sleep(0.05)
tell(asked)
`,
        100,
      );
      // Something to tell, all the while.
      for (let round = 0; round < 12; round += 1) {
        await administrator.call('session.start', { id });
        await new Promise((resolve) => setTimeout(resolve, 150));
        await administrator.call('session.stop', { id });
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      try {
        return await outcome;
      } finally {
        await administrator.call('configurations.remove', { id });
      }
    },
  );

  attack(
    () => rig,
    'exhaustion/cancel-flood',
    () =>
      under(
        [verified],
        `
peer, number = None, 1
def again():
    peer = connect(); admit(peer); call(peer, 1, 'hello', HELLO); peer.settimeout(2)
    return peer
peer = again()
while lasts():
    try:
        for _ in range(50):
            number += 1
            peer.sendall(request(number, 'log.read') + message({'jsonrpc': '2.0', 'method': '$/cancelRequest', 'params': {'id': number}}))
        while select.select([peer], [], [], 0)[0]:
            if peer.recv(65536) == b'': raise OSError
    except OSError:
        peer.close(); time.sleep(0.05)
        try: peer = again()
        except OSError: pass
tell(number)
`,
        500,
      ),
  );

  attack(
    () => rig,
    'exhaustion/reconnect-storm',
    () =>
      under(
        [verified, stranger],
        `
made = 0
while lasts():
    try:
        peer = connect(); made += 1
        if made % 2: peer.sendall(b'x')
        peer.close()
    except OSError: pass
tell(made)
`,
        1000,
      ),
  );

  attack(
    () => rig,
    'exhaustion/fork-storm',
    () =>
      under(
        [verified, stranger],
        `
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
made = 0
while lasts():
    try:
        if os.fork() == 0:
            try: peer = connect(); peer.sendall(b'x' * (made % 7))
            except OSError: pass
            os._exit(0)
        made += 1
    except OSError: time.sleep(0.01)
    if made % 20 == 0: time.sleep(0.02)
tell(made)
`,
        300,
      ),
  );
});
