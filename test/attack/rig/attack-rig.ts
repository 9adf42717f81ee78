import { randomUUID } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, realpath, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assertPrivateNamespaces } from '@sallyport/helper/developer/private-namespaces.ts';
import { mallocEnvironment, nodeArguments } from '@sallyport/helper/node-arguments.ts';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { endpointPath, manifestSchema } from '@sallyport/shared/manifest/manifest.ts';
import { Background } from '../../rig/background.ts';
import { MissingPrerequisite } from '../../rig/missing-prerequisite.ts';
import { waitUntil } from '../../rig/wait.ts';
import { Agent } from './agent.ts';
import { python } from './attacker.ts';

const main = fileURLToPath(new URL('../../../helper/main.ts', import.meta.url));
export const manifestFile = fileURLToPath(new URL('extension/manifest.json', import.meta.url));

/** Far from the uids of people and of systemd's dynamic users. */
export const uids = { person: 61_301, attacker: 61_302 } as const;

/** Where the verified programs of the tests lie; on the rig's own tmpfs. */
export const trusted = {
  directory: '/run/attack/trusted',
  client: '/run/attack/trusted/client',
  second: '/run/attack/trusted/second',
} as const;

export const endpoint = endpointPath(manifestSchema.parse(JSON.parse(await readFile(manifestFile, 'utf8'))));

export interface RigOptions {
  /** Words that become the helper when its own follow: a filter of system calls, for instance. */
  readonly before?: readonly string[];
  /** Gives the helper, and its verified clients, a pid namespace of their own. */
  readonly pidNamespace?: boolean;
  /** The product's own extension, whose verified clients are the app and the command line. */
  readonly isProduct?: boolean;
  readonly endpoint?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly arguments?: readonly string[];
}

/** What a helper was like before an attack. */
export interface Condition {
  readonly pid: number;
  readonly descriptors: number;
  readonly lines: number;
}

/** A helper as the service manager would run it, one verified client of it, and attackers. */
export class AttackRig implements AsyncDisposable {
  readonly endpoint: string;
  readonly state: string;
  readonly #options: RigOptions;
  readonly #lines: string[] = [];
  #process: Background | null = null;
  #pid = 0;
  #witness: Agent | null = null;

  private constructor(options: RigOptions, state: string) {
    this.#options = options;
    this.state = state;
    this.endpoint =
      options.endpoint ?? (options.isProduct === true ? endpointPath(sallyportManifest) : endpoint);
  }

  static async start(options: RigOptions = {}): Promise<AttackRig> {
    await prepare();
    const rig = new AttackRig(options, await mkdtemp(join(tmpdir(), 'sallyport-attacked-')));
    try {
      await rig.startHelper();
      rig.#witness = await rig.verified();
      return rig;
    } catch (error) {
      await rig[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The helper's number outside of any pid namespace that it was put in. */
  get pid(): number {
    if (this.#process?.isRunning !== true) {
      throw new Error(`The helper does not run; it said: ${this.log.slice(-5).join(' | ')}`);
    }
    return this.#pid;
  }

  /** For whoever is to run in the helper's own namespaces. */
  get inside(): { readonly inside?: number } {
    return this.#options.pidNamespace === true ? { inside: this.#pid } : {};
  }

  get log(): readonly string[] {
    return [...this.#lines, ...(this.#process?.lines ?? [])];
  }

  /** A verified client of an ordinary person, connected before any attack. */
  get witness(): Agent {
    if (this.#witness === null) throw new Error('There is no witness before the start and after the end.');
    return this.#witness;
  }

  /** A new verified client: of root where the programs that others must run cannot be told what to send. */
  verified(uid: number = this.#options.isProduct === true ? 0 : uids.person): Promise<Agent> {
    return Agent.start(this.endpoint, { uid, executable: trusted.client, ...this.inside });
  }

  /** A new client that may do everything. */
  administrator(): Promise<Agent> {
    return Agent.start(this.endpoint, { uid: 0, executable: trusted.client, ...this.inside });
  }

  async startHelper(): Promise<void> {
    this.#process = await startHelper(this.state, this.#options);
    this.#pid = this.#options.pidNamespace === true ? await childOf(this.#process.pid) : this.#process.pid;
  }

  async stopHelper(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#lines.push(...(this.#process?.lines ?? []));
    if (this.#process?.isRunning === true) {
      process.kill(this.#pid, 'SIGCONT');
      // The program that made its namespace ends with it.
      if (this.#pid !== this.#process.pid) process.kill(this.#pid, signal);
      await this.#process.stop(signal, 20_000);
    }
    this.#process = null;
  }

  /** Stops the helper's process for so long that an attacker wins any race. */
  freeze(milliseconds: number): void {
    const { pid } = this;
    process.kill(pid, 'SIGSTOP');
    setTimeout(() => process.kill(pid, 'SIGCONT'), milliseconds);
  }

  async condition(): Promise<Condition> {
    // A connection's end arrives a moment after the other side has gone.
    let before = -1;
    await waitUntil(
      'the helper to be at rest',
      async () => {
        const now = await this.descriptors();
        const isSame = now === before;
        before = now;
        return isSame;
      },
      10_000,
      150,
    );
    return { pid: this.pid, descriptors: before, lines: this.log.length };
  }

  async descriptors(): Promise<number> {
    return (await readdir(`/proc/${String(this.pid)}/fd`)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#witness?.[Symbol.asyncDispose]();
    this.#witness = null;
    await this.stopHelper();
    await rm(this.state, { recursive: true, force: true });
  }
}

async function childOf(pid: number): Promise<number> {
  return Number(await readFile(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8'));
}

/** Starts a helper, and nothing else. @throws {Error} it did not start; the message has what it said */
export async function startHelper(state: string, options: RigOptions): Promise<Background> {
  const words = [
    ...(options.pidNamespace === true ? ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'] : []),
    ...(options.before ?? []),
    process.execPath,
    ...nodeArguments,
    main,
    ...(options.isProduct === true ? [] : ['--manifest', manifestFile]),
    ...['--state', join(state, 'helper')],
    ...['--log-level', 'debug'],
    ...(options.endpoint === undefined ? [] : ['--endpoint', options.endpoint]),
    ...(options.arguments ?? []),
  ];
  const [program = process.execPath, ...args] = words;
  return Background.start(program, args, {
    ready: /^\{"ready":/,
    readyTimeout: 30_000,
    env: { ...process.env, ...mallocEnvironment, ...options.env },
  });
}

/** @throws {MissingPrerequisite} not root, who alone can become somebody else */
async function prepare(): Promise<void> {
  assertPrivateNamespaces();
  if (process.geteuid?.() !== 0) {
    throw new MissingPrerequisite(
      'The attacks are mounted by other users on a helper of root: run `sudo npm run test:attack`.',
    );
  }
  await mkdir(trusted.directory, { recursive: true, mode: 0o755 });
  for (const path of [trusted.client, trusted.second]) await installTrusted(path);
}

/** Puts a program that the manifest names in its place, in one step. */
export async function installTrusted(path: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  await copyFile(await realpath(python), aside);
  await chmod(aside, 0o755);
  await rename(aside, path);
}
