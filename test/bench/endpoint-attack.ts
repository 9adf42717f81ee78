import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { AttackRig, trusted } from '../attack/rig/attack-rig.ts';
import { mount, type Attacker } from '../attack/rig/attacker.ts';
import { memory } from './process-cost.ts';
import { median, quantile, round, type BenchResult } from './result.ts';

/** Seconds for each half, without and with the attack. */
const seconds = 8;
/** Milliseconds between the witness's calls: less often than a uid may call. */
const pause = 25;
const connectionsEach = 250;

/** Begins every attack: as many connections as it may have, told what to do with each. */
const prologue = `
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
end = time.time() + ${String(seconds)}
peers, worst = [], 0
def more():
    global worst
    while len(peers) < ${String(connectionsEach)} and time.time() < end:
        try:
            peer = socket.socket(socket.AF_UNIX); peer.setblocking(False); peer.connect(PATH); peers.append([peer, b''])
        except OSError: peer.close(); break
    worst = max(worst, len(peers))
def drop(entry):
    entry[0].close(); peers.remove(entry)
`;

/** Each from a uid of its own; whether its program is one that the helper accepts. */
const attacks: readonly { readonly uid: number; readonly isVerified: boolean; readonly script: string }[] = [
  // Answers the nonce, then sends requests as fast as it can and reads little.
  {
    uid: 61_311,
    isVerified: true,
    script: `
batch = b''.join(request(number, 'extension.list') for number in range(2, 40))
while time.time() < end:
    more()
    for entry in list(peers):
        try:
            data = entry[0].recv(65536)
            if data == b'': drop(entry); continue
            if entry[1] == b'': entry[1] = b'greeted'; entry[0].send(data[:44] + request(1, 'hello', HELLO))
            entry[0].send(batch)
        except BlockingIOError: pass
        except OSError: drop(entry)
tell(worst)
`,
  },
  // One byte now and then.
  {
    uid: 61_312,
    isVerified: true,
    script: `
while time.time() < end:
    more()
    for entry in list(peers):
        try: entry[0].send(b'\\0')
        except BlockingIOError: pass
        except OSError: drop(entry)
    time.sleep(0.05)
tell(worst)
`,
  },
  // Connects and says nothing.
  {
    uid: 61_313,
    isVerified: true,
    script: `
while time.time() < end:
    more(); time.sleep(0.01)
    for entry in list(peers):
        try:
            if entry[0].recv(4096) == b'': drop(entry)
        except BlockingIOError: pass
        except OSError: drop(entry)
tell(worst)
`,
  },
  // A program that is not accepted, which comes again and again.
  {
    uid: 61_314,
    isVerified: false,
    script: `
while time.time() < end:
    more()
    for entry in peers[:50]: drop(entry)
    time.sleep(0.002)
tell(worst)
`,
  },
];

/**
 * A verified client's calls while four uids keep a thousand connections busy, dripping, silent and coming again.
 *
 * The helper is as the service manager would run it. Runs as root in private namespaces.
 */
export async function benchEndpointAttack(): Promise<BenchResult> {
  await using rig = await AttackRig.start({ arguments: ['--log-level', 'info'] });
  await calls(rig, 2, () => undefined);
  const quiet = await calls(rig, seconds, () => undefined);
  const before = (await memory(rig.pid)).resident;
  let most = before;
  const mounted = Promise.all(
    attacks.map(({ uid, isVerified, script }) => {
      const attacker: Attacker = isVerified ? { uid, executable: trusted.client } : { uid };
      return mount(z.int(), attacker, prologue + script, rig.endpoint);
    }),
  );
  const attacked = await calls(rig, seconds, async () => {
    most = Math.max(most, (await memory(rig.pid)).resident);
  });
  const connections = (await mounted).reduce((sum, count) => sum + count, 0);
  const tail = quantile(attacked, 0.99);
  return {
    name: 'endpoint-attack',
    title: 'Calls under attack',
    method:
      `\`extension.list\` of a verified client of an ordinary person, every ${String(pause)} ms, at a helper of root, ` +
      `${String(seconds)} s without and ${String(seconds)} s with four other uids that hold, or try to hold, ` +
      `${String(attacks.length * connectionsEach)} connections and flood, drip, stall and come again (at once at most ` +
      `${String(connections)}). Helper, client and attackers share the machine's cores.`,
    columns: ['', 'calls', 'median ms', 'p99 ms', 'worst ms'],
    rows: [row('without attack', quiet), row('under attack', attacked)],
    aims: [
      { aim: 'p99 under attack within 20 ms', figure: round(tail, 1), unit: 'ms', met: tail <= 20 },
      {
        aim: 'the helper grows by at most 10 MB',
        figure: round(most - before),
        unit: 'MB',
        met: most - before <= 10,
      },
    ],
  };
}

/** Milliseconds of each call. */
async function calls(
  rig: AttackRig,
  duration: number,
  between: () => void | Promise<void>,
): Promise<readonly number[]> {
  const times: number[] = [];
  const end = performance.now() + duration * 1000;
  while (performance.now() < end) {
    const { milliseconds, error } = await rig.witness.call('extension.list');
    if (milliseconds === undefined || error !== undefined) throw new Error('The witness was not served.');
    times.push(milliseconds);
    await between();
    await sleep(pause);
  }
  return times;
}

function row(name: string, times: readonly number[]): (string | number)[] {
  return [
    name,
    times.length,
    round(median(times), 2),
    round(quantile(times, 0.99), 2),
    round(Math.max(...times), 2),
  ];
}
