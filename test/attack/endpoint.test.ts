import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import * as z from 'zod';
import { connectEndpoint } from '@sallyport/shared/client/connect-endpoint.ts';
import { isError } from '@sallyport/shared/protocol/errors.ts';
import { Background } from '../rig/background.ts';
import type { Outcome } from './attacks.ts';
import { Agent } from './rig/agent.ts';
import { attack, sameOutcome } from './rig/attack.ts';
import { AttackRig, startHelper, trusted, uids, type RigOptions } from './rig/attack-rig.ts';
import { attackerText, environmentOf, identityOf, mount } from './rig/attacker.ts';

/** The socket's name and its directory: before, during and after the start of a helper. */

let rig: AttackRig;
let state: string;
const place = '/run/attack/places';

beforeAll(async () => {
  rig = await AttackRig.start();
  state = await mkdtemp(join(tmpdir(), 'sallyport-attacked-'));
  await mkdir(place, { mode: 0o755 });
});

afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await rm(state, { recursive: true });
});

/** A start that must fail, and say why. */
async function refusedStart(options: RigOptions, reason: RegExp): Promise<Outcome> {
  try {
    await using helper = await startHelper(state, options);
    throw new Error(`It started: ${helper.lines.join(' | ')}`);
  } catch (error) {
    expect(String(error)).toMatch(reason);
    return 'notStarted';
  }
}

/** Somebody's program that listens at a path until it is disposed of. */
async function squatter(uid: number, path: string): Promise<Background> {
  const script = `
peer = socket.socket(socket.AF_UNIX); peer.bind(PATH); peer.listen(); print('listening', flush=True)
while True: peer.accept()
`;
  const text = (await attackerText('endpoint.py')) + script;
  const [program, ...words] = identityOf({ uid }, ['-c', text, path]);
  return Background.start(program, words, { ready: /listening/, env: environmentOf({ uid }) });
}

attack(
  () => rig,
  'endpoint/squatting',
  async (attacked) => {
    // The directory is root's: the name cannot be taken by others.
    const script = `
try: socket.socket(socket.AF_UNIX).bind(PATH); tell('taken')
except OSError as problem: tell(errno.errorcode[problem.errno])
`;
    for (const path of [`${attacked.endpoint}.new`, '/run/sallyport-2']) {
      expect(await mount(z.string(), { uid: uids.attacker }, script, path)).toBe('EACCES');
    }
    // Even where it could: in a directory that was opened to them for a while.
    const own = join(place, 'squatted');
    await mkdir(own);
    await chown(own, uids.attacker, uids.attacker);
    const endpoint = join(own, 'endpoint.sock');
    await using _theirs = await squatter(uids.attacker, endpoint);
    await chown(own, 0, 0);
    await chmod(own, 0o755);
    await using _ours = await squatter(0, join(own, 'ours.sock'));
    return sameOutcome([
      await refusedStart({ endpoint }, /belongs to another user/),
      await refusedStart({ endpoint: join(own, 'ours.sock') }, /answered by another process/),
      await refusedStart({}, /answered by another process|already/),
    ]);
  },
);

attack(
  () => rig,
  'endpoint/unsafe-directory',
  async () => {
    const at = (name: string) => join(place, name, 'endpoint.sock');
    for (const name of ['group', 'theirs', 'target']) await mkdir(join(place, name));
    await chmod(join(place, 'group'), 0o775);
    await chown(join(place, 'theirs'), uids.attacker, uids.attacker);
    await symlink(join(place, 'target'), join(place, 'link'));
    return sameOutcome([
      await refusedStart({ endpoint: at('group') }, /can be written by others/),
      await refusedStart({ endpoint: at('theirs') }, /belongs to another user/),
      await refusedStart({ endpoint: at('link') }, /is not a directory itself/),
    ]);
  },
);

attack(
  () => rig,
  'endpoint/stale-socket',
  async () => {
    const endpoint = join(place, 'stale.sock');
    const first = await startHelper(state, { endpoint });
    await using held = await Agent.start(endpoint, { uid: uids.attacker, executable: trusted.client });
    await first.stop('SIGKILL');
    await using _second = await startHelper(state, { endpoint });
    await using fresh = await Agent.start(endpoint, { uid: uids.person, executable: trusted.client });
    expect((await held.call('extension.list')).closed).toBe(true);
    return (await fresh.call('extension.list')).result === undefined ? 'closed' : 'served';
  },
);

attack(
  () => rig,
  'endpoint/bind-window',
  async () => {
    // A tight loop beside the start: every mode that the socket, or whatever lies beside it, ever had.
    const script = `
seen = set()
end = time.time() + 20
directory = os.path.dirname(PATH)
print('watching', flush=True)
while time.time() < end and not os.path.exists(PATH + '.stop'):
    try:
        for entry in os.scandir(directory):
            if not entry.name.endswith('.stop'): seen.add(entry.stat(follow_symlinks=False).st_mode & 0o7777)
    except OSError: pass
tell(sorted(seen))
`;
    const text = (await attackerText('endpoint.py')) + script;
    const modes: number[][] = [];
    for (const developer of [false, true]) {
      const directory = join(place, developer ? 'developer' : 'system');
      await mkdir(directory, { mode: developer ? 0o700 : 0o755 });
      const endpoint = join(directory, 'endpoint.sock');
      const [program, ...words] = identityOf({ uid: 0 }, ['-c', text, endpoint]);
      const watching = promisify(execFile)(program, words, { env: environmentOf({ uid: 0 }) });
      for (const before of ['nothing', 'a stale socket']) {
        const options = { endpoint, arguments: developer ? ['--developer'] : [] };
        const helper = await startHelper(state, options);
        await helper.stop(before === 'nothing' ? 'SIGKILL' : 'SIGTERM', 10_000);
      }
      await mkdir(`${endpoint}.stop`);
      const { stdout } = await watching;
      modes.push(z.array(z.int()).parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')));
    }
    const [system = [], developer = []] = modes;
    for (const seen of [system, developer]) expect(seen.length).toBeGreaterThan(0);
    const within = (allowed: number) => (mode: number) => (mode & ~allowed) === 0;
    return system.every(within(0o666)) && developer.every(within(0o600)) ? 'neverWider' : 'served';
  },
);

describe('[E5] the client looks as well', () => {
  attack(
    () => rig,
    'endpoint/false-server',
    async (attacked) => {
      const directory = dirname(attacked.endpoint);
      const path = join(directory, 'org.sallyport.false.sock');
      const manifest = { endpointName: 'org.sallyport.false', name: 'False' };
      let visitors = 0;
      const server: Server = createServer(() => (visitors += 1)).listen(path);
      const tries: (() => Promise<void>)[] = [
        // Another's socket in root's directory; root's socket in a directory of others, of a group, behind a link.
        () => chown(path, uids.attacker, uids.attacker),
        async () => {
          await chown(path, 0, 0);
          await chown(directory, uids.attacker, uids.attacker);
        },
        async () => {
          await chown(directory, 0, 0);
          await chmod(directory, 0o775);
        },
      ];
      try {
        for (const spoil of tries) {
          await spoil();
          const packaged = connectEndpoint({
            manifest,
            packaged: true,
            environment: { SALLYPORT_ENDPOINT: path },
            client: { name: 'attack', version: '1' },
          });
          const error: unknown = await packaged.then(
            () => null,
            (thrown: unknown) => thrown,
          );
          if (!isError(error, 'EndpointError', 'serverNotTrusted'))
            throw new Error(`It said ${String(error)}.`);
        }
      } finally {
        await chown(directory, 0, 0);
        await chmod(directory, 0o755);
        server.close();
      }
      return visitors === 0 ? 'notUsed' : 'served';
    },
  );
});

attack(
  () => rig,
  'endpoint/restart-race',
  async () => {
    const endpoint = join(place, 'race.sock');
    const script = `
print('racing', flush=True)
got, end = 0, time.time() + 15
while time.time() < end and not os.path.exists(PATH + '.stop'):
    for path in (PATH, PATH + '.new'):
        try: s = socket.socket(socket.AF_UNIX); s.bind(path); got += 1
        except OSError: pass
        finally: s.close()
        try: os.unlink(path); got += 1
        except OSError: pass
        try: os.rename('/tmp', path); got += 1
        except OSError: pass
tell(got)
`;
    const racer = mount(z.int(), { uid: uids.attacker }, script, endpoint);
    const served: boolean[] = [];
    for (let round = 0; round < 3; round += 1) {
      const helper = await startHelper(state, { endpoint });
      await using client = await Agent.start(endpoint, { uid: uids.person, executable: trusted.client });
      served.push((await client.call('extension.list')).result !== undefined);
      await helper.stop(round % 2 === 0 ? 'SIGTERM' : 'SIGKILL', 10_000);
    }
    await mkdir(`${endpoint}.stop`);
    expect(await racer).toBe(0);
    expect(await readFile('/proc/net/unix', 'utf8')).not.toContain(`${endpoint}.new`);
    return served.every(Boolean) ? 'served' : 'closed';
  },
);
