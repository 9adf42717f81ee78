import {
  appendFile,
  chmod,
  chown,
  copyFile,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { policyDirectory, policyFileName, renderPolicy } from '@sallyport/helper/authority/polkit-policy.ts';
import type { PolicyManifest } from '@sallyport/helper/authority/polkit-policy.ts';
import { assertPrivateNamespaces } from '@sallyport/helper/developer/private-namespaces.ts';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { Background } from './background.ts';
import { busAddress, busConfiguration } from './polkit-bus.ts';
import { MissingPrerequisite } from './missing-prerequisite.ts';
import { findProgram, run, succeeds } from './run.ts';

/** Which session logind would show for a uid: at the screen, in the background, over the network, or none. */
export type SessionState = 'active' | 'inactive' | 'remote' | 'none';

/** What a uid's authentication agent does: `wait` leaves the dialog open, `none` means that no agent runs. */
export type AgentAnswer = 'yes' | 'no' | 'dismiss' | 'wait' | 'none';

/** A dialog that an agent was made to show. */
export interface Asked {
  /** Whose session the agent belongs to. */
  readonly uid: number;
  readonly actionId: string;
  readonly message: string;
  readonly icon: string;
  /** How it ended, `cancelled` if polkitd took it back; null while it is open. */
  readonly end: 'yes' | 'no' | 'dismiss' | 'cancelled' | null;
}

export interface PolkitRigOptions {
  /** Extensions whose actions are installed; our own alone unless told. */
  readonly manifests?: readonly PolicyManifest[];
  /** Whether the bus starts polkitd when somebody calls it, as on a real machine; otherwise it stays off. */
  readonly activatable?: boolean;
}

const variable = 'DBUS_SYSTEM_BUS_ADDRESS';
const polkitd = '/usr/lib/polkit-1/polkitd';
/** Debian's python3-gi belongs to the system's own Python. */
const python = '/usr/bin/python3';
const serviceFile = '/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service';
const own = '/run/sallyport-polkit';
const askedFile = join(own, 'asked');
const rulesDirectory = '/etc/polkit-1/rules.d';
const logind = '/run/systemd';

const agentLineSchema = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('asked'),
    uid: z.int(),
    action: z.string(),
    message: z.string(),
    icon: z.string(),
  }),
  z.object({
    event: z.literal('done'),
    uid: z.int(),
    action: z.string(),
    answer: z.enum(['yes', 'no', 'dismiss', 'cancelled']),
  }),
]);

/**
 * A real polkitd on a system bus of its own, at the default place of a private `/run`, for real root inside the
 * tests' private namespaces.
 *
 * Sessions are logind's state files, which polkitd reads by itself at each question; a process belongs to the display
 * session of its real uid. Real are the bus with polkit's own policy, the daemon, its rules, its actions and its
 * agents. While the rig exists, `DBUS_SYSTEM_BUS_ADDRESS` of this process leads to its bus. One rig at a time.
 */
export class PolkitRig implements AsyncDisposable {
  /** What a program needs to find the bus, if it does not inherit it from this process. */
  readonly environment: Readonly<Record<string, string>> = { [variable]: busAddress };
  readonly #before = process.env[variable];
  readonly #options: PolkitRigOptions;
  readonly #agents = new Map<number, Background>();
  readonly #rules: string[] = [];
  #bus: Background | null = null;
  #daemon: Background | null = null;
  #isMounted = false;

  private constructor(options: PolkitRigOptions) {
    this.#options = options;
  }

  /** @throws {MissingPrerequisite} a program is missing, or this is not real root inside private namespaces */
  static async start(options: PolkitRigOptions = {}): Promise<PolkitRig> {
    await requirePrograms();
    const rig = new PolkitRig(options);
    // Fails for a second rig: what is there must not be taken over.
    await makeDirectory(own);
    try {
      await rig.#start();
    } catch (error) {
      await rig[Symbol.asyncDispose]();
      throw error;
    }
    return rig;
  }

  /** Every dialog so far, in the order in which they were shown. What polkitd has answered is in it already. */
  async asked(): Promise<readonly Asked[]> {
    return dialogs(await readFile(askedFile, 'utf8'));
  }

  /** What polkitd printed, for a test's message. */
  get log(): readonly string[] {
    return this.#daemon?.lines ?? [];
  }

  /** Gives a uid one session, or none; it holds for the next question. A uid without a name gets `userUID`. */
  async setSession(uid: number, state: SessionState): Promise<void> {
    await addUser(uid);
    const id = sessionId(uid);
    const user = join(logind, 'users', String(uid));
    const session = join(logind, 'sessions', id);
    if (state === 'none') {
      for (const path of [user, session]) await rm(path, { force: true });
      return;
    }
    const isActive = state === 'inactive' ? '0' : '1';
    const login = state === 'inactive' ? 'online' : 'active';
    const seat =
      state === 'remote' ? { REMOTE: '1', REMOTE_HOST: '192.0.2.1' } : { REMOTE: '0', SEAT: 'seat0' };
    await writeState(session, {
      UID: String(uid),
      ACTIVE: isActive,
      STATE: login,
      CLASS: 'user',
      TYPE: 'x11',
      ...seat,
    });
    await writeState(user, {
      STATE: login,
      DISPLAY: id,
      SESSIONS: id,
      ...(isActive === '1' ? { ACTIVE_SESSIONS: id } : {}),
    });
  }

  /**
   * Decides what the agent in a uid's session answers from now on, also to the dialogs that it has open. The session
   * must be there when its agent starts.
   */
  async answer(uid: number, answer: AgentAnswer): Promise<void> {
    const path = join(own, `answer-${String(uid)}`);
    const agent = this.#agents.get(uid);
    if (answer === 'none') {
      if (agent === undefined) return;
      await agent.stop();
      this.#agents.delete(uid);
      return;
    }
    // The agent reads it at any time, so it must never be half written.
    await place(path, answer);
    if (agent?.isRunning === true) return;
    const script = fileURLToPath(new URL('polkit-agent.py', import.meta.url));
    const words = ['-u', script, String(uid), sessionId(uid), path, askedFile];
    const env = { ...process.env, ...this.environment };
    this.#agents.set(uid, await Background.start(python, words, { env, ready: /^registered$/ }));
  }

  /**
   * Adds a rule file, in JavaScript, after those that the rig added before and ahead of the system's; returns once
   * it holds.
   *
   * @throws {Error} polkitd cannot read it
   */
  async addRule(javascript: string): Promise<void> {
    const number = String(this.#rules.length + 10);
    const path = join(rulesDirectory, `${number}-sallyport-rig.rules`);
    const mark = `rule ${number} of the rig holds`;
    this.#rules.push(path);
    // Its last line tells that it was read: polkitd looks at files as soon as they appear or change.
    await using file = await open(path, 'wx');
    await file.chmod(0o644);
    await file.writeFile(`${javascript}\npolkit.log(${JSON.stringify(mark)});\n`);
    const line = await this.#running().line(
      new RegExp(`${mark}|Error (compiling|evaluating).*${number}-sallyport-rig`),
    );
    if (!line.includes(mark)) throw new Error(`polkitd refuses the rule: ${line}`);
  }

  /** Ends polkitd as a stopped service; nobody has its name on the bus then, and its agents are gone. */
  async stopPolkit(): Promise<void> {
    for (const uid of [...this.#agents.keys()]) await this.answer(uid, 'none');
    await this.#daemon?.stop();
    this.#daemon = null;
  }

  /** Starts polkitd again; what it had kept is forgotten, and agents must be started anew with {@link answer}. */
  async startPolkit(): Promise<void> {
    const env = { ...process.env, ...this.environment, LD_PRELOAD: join(own, 'sessions.so') };
    this.#daemon = await Background.start(polkitd, [], { env, ready: /Acquired the name/ });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopPolkit();
    await this.#bus?.stop();
    if (this.#before === undefined) Reflect.deleteProperty(process.env, variable);
    else process.env[variable] = this.#before;
    if (this.#isMounted) await run('umount', [policyDirectory]);
    for (const path of [...this.#rules, own, logind, '/run/dbus'])
      await rm(path, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    await makeDirectory(logind);
    for (const kind of ['sessions', 'users', 'seats', 'machines']) {
      // polkitd watches these, and does not start without them.
      await makeDirectory(join(logind, kind));
    }
    await writeFile(askedFile, '');
    await this.#installPolicies();
    await run('cc', ['-shared', '-fPIC', '-O1', '-o', join(own, 'sessions.so'), sessionsSource]);

    const configuration = join(own, 'bus.conf');
    await place(configuration, busConfiguration(await this.#services()));
    const [user, group] = await messageBusUser();
    await makeDirectory('/run/dbus');
    await chown('/run/dbus', user, group);
    const daemon = [
      'dbus-daemon',
      '--nofork',
      '--nopidfile',
      '--print-address',
      `--config-file=${configuration}`,
    ];
    // Not `<user>` in its configuration: giving up root by itself, the daemon would outlive a killed test.
    const identity = [
      `--reuid=${String(user)}`,
      `--regid=${String(group)}`,
      '--clear-groups',
      '--pdeathsig',
      'KILL',
    ];
    this.#bus = await Background.start('setpriv', [...identity, '--', ...daemon], { ready: /^unix:path=/ });
    process.env[variable] = busAddress;
    await this.startPolkit();
  }

  /** Copies what is installed and adds ours, over the real directory but in this mount namespace alone. */
  async #installPolicies(): Promise<void> {
    const copy = join(own, 'actions');
    await run('cp', ['-a', policyDirectory, copy]);
    for (const manifest of this.#options.manifests ?? [sallyportManifest]) {
      await place(join(copy, policyFileName(manifest)), renderPolicy(manifest));
    }
    await run('mount', ['--bind', copy, policyDirectory]);
    this.#isMounted = true;
  }

  /** A directory from which the bus starts polkitd, and nothing else; null if it is not to. */
  async #services(): Promise<string | null> {
    if (this.#options.activatable !== true) return null;
    const directory = join(own, 'services');
    await makeDirectory(directory);
    await copyFile(serviceFile, join(directory, basename(serviceFile)));
    return directory;
  }

  #running(): Background {
    if (this.#daemon === null) throw new Error('polkitd is stopped.');
    return this.#daemon;
  }
}

const sessionsSource = fileURLToPath(new URL('polkit-sessions.c', import.meta.url));

function sessionId(uid: number): string {
  return `c${String(uid)}`;
}

/** The bus lets in only uids that have a name: those that have none are `userUID` in the private `/etc`. */
async function addUser(uid: number): Promise<void> {
  const users = await readFile('/etc/passwd', 'utf8');
  const isKnown = users.split('\n').some((line) => line.split(':')[2] === String(uid));
  if (isKnown) return;
  await appendFile(
    '/etc/passwd',
    `user${String(uid)}:x:${String(uid)}:${String(uid)}::/:/usr/sbin/nologin\n`,
  );
}

/** Writes one of logind's state files the way logind does. */
async function writeState(path: string, values: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.entries(values).map(([name, value]) => `${name}=${value}\n`);
  await place(path, lines.join(''));
}

/** Makes a directory that everybody may enter, whatever the umask. @throws {Error} it is there */
async function makeDirectory(path: string): Promise<void> {
  await mkdir(path);
  await chmod(path, 0o755);
}

/** Puts a file that everybody may read where it belongs, as a whole. */
async function place(path: string, text: string): Promise<void> {
  const unfinished = join(own, 'unfinished');
  await writeFile(unfinished, text);
  await chmod(unfinished, 0o644);
  await rename(unfinished, path);
}

function dialogs(lines: string): Asked[] {
  const asked: Asked[] = [];
  for (const line of lines.split('\n').slice(0, -1)) {
    const event = agentLineSchema.parse(JSON.parse(line));
    const { uid, action: actionId } = event;
    if (event.event === 'asked') {
      asked.push({ uid, actionId, message: event.message, icon: event.icon, end: null });
    } else {
      const isIt = (dialog: Asked): boolean =>
        dialog.uid === uid && dialog.actionId === actionId && dialog.end === null;
      const dialog = asked.find(isIt);
      if (dialog !== undefined) asked[asked.indexOf(dialog)] = { ...dialog, end: event.answer };
    }
  }
  return asked;
}

async function requirePrograms(): Promise<void> {
  assertPrivateNamespaces();
  const uids = await readFile('/proc/self/uid_map', 'utf8');
  if (process.geteuid?.() !== 0 || !/^\s*0\s+0\s+4294967295\s*$/.test(uids)) {
    throw new MissingPrerequisite(
      'polkitd gives up root for a user of its own: run the tests as real root (sudo).',
    );
  }
  const packages: string[] = [];
  if (!(await succeeds('test', ['-x', polkitd]))) packages.push('polkitd');
  if ((await findProgram('dbus-daemon')) === null) packages.push('dbus-daemon');
  if ((await findProgram('cc')) === null) packages.push('gcc libc6-dev');
  if (!(await succeeds(python, ['-c', 'from gi.repository import Gio']))) packages.push('python3-gi');
  if (packages.length === 0) return;
  throw new MissingPrerequisite(
    `polkit cannot be run here; run: sudo apt-get install -y ${packages.join(' ')}`,
  );
}

/** Uid and gid of Debian's `messagebus`. */
async function messageBusUser(): Promise<readonly [number, number]> {
  const line = (await readFile('/etc/passwd', 'utf8'))
    .split('\n')
    .find((user) => user.startsWith('messagebus:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined) {
    throw new MissingPrerequisite('There is no user messagebus; run: sudo apt-get install -y dbus-daemon');
  }
  return [Number(uid), Number(gid)];
}
