import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { MissingPrerequisite } from '../../rig/missing-prerequisite.ts';
import { succeeds } from '../../rig/run.ts';
import { waitUntil } from '../../rig/wait.ts';
import type { Person } from './person.ts';

const script = fileURLToPath(new URL('tray_host.py', import.meta.url));

const itemSchema = z.strictObject({
  title: z.string(),
  tooltip: z.string(),
  /** Digest of the picture: equal pictures have equal digests. */
  icon: z.string(),
});
export type TrayItem = z.infer<typeof itemSchema>;

/** A session bus of a person's own, with a panel on it that shows tray icons. */
export class TrayHost implements AsyncDisposable {
  readonly #bus: ChildProcess;
  readonly #panel: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  private constructor(bus: ChildProcess, panel: ChildProcess, answers: AsyncIterator<string>) {
    this.#bus = bus;
    this.#panel = panel;
    this.#answers = answers;
  }

  /** @throws {MissingPrerequisite} dbus-daemon or python3-gi is not installed */
  static async start(person: Person): Promise<TrayHost> {
    // Debian's Python, not one that lies earlier in PATH: it is the one that has gi.
    if (!(await succeeds('/usr/bin/python3', ['-c', 'import gi']))) {
      throw new MissingPrerequisite(
        'python3-gi is missing: run `apt-get install python3-gi` and run this again.',
      );
    }
    const address = person.environment['DBUS_SESSION_BUS_ADDRESS'] ?? '';
    const bus = start(
      person,
      'ignore',
      'dbus-daemon',
      '--session',
      '--nofork',
      '--nopidfile',
      `--address=${address}`,
    );
    await waitUntil('the session bus', () =>
      access(address.replace('unix:path=', '')).then(
        () => true,
        () => false,
      ),
    );
    // The person may not be able to read the source tree.
    const copy = join(person.home, 'tray_host.py');
    await copyFile(script, copy);
    const panel = start(person, 'pipe', '/usr/bin/python3', copy);
    if (panel.stdout === null) throw new Error('The panel has no standard output.');
    const answers = createInterface({ input: panel.stdout })[Symbol.asyncIterator]();
    const host = new TrayHost(bus, panel, answers);
    await host.#read();
    return host;
  }

  /** The icon as it is now; waits for the first one. */
  async item(): Promise<TrayItem> {
    return itemSchema.parse(await this.#ask({ command: 'item' }));
  }

  /** Labels of the menu's entries that can be clicked. */
  async menu(): Promise<readonly string[]> {
    return z.strictObject({ labels: z.array(z.string()) }).parse(await this.#ask({ command: 'menu' })).labels;
  }

  async click(label: string): Promise<void> {
    await this.#ask({ command: 'click', label });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [this.#panel, this.#bus]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    }
  }

  async #ask(request: object): Promise<unknown> {
    this.#panel.stdin?.write(`${JSON.stringify(request)}\n`);
    return this.#read();
  }

  async #read(): Promise<unknown> {
    const next: IteratorResult<string, unknown> = await this.#answers.next();
    if (next.done === true) throw new Error('The panel ended.');
    const answer: unknown = JSON.parse(next.value);
    const failed = z.object({ error: z.string() }).safeParse(answer);
    if (failed.success) throw new Error(`The panel says: ${failed.data.error}`);
    return answer;
  }
}

function start(
  person: Person,
  stdin: 'ignore' | 'pipe',
  program: string,
  ...args: readonly string[]
): ChildProcess {
  const [first, ...rest] = person.command(program, ...args);
  return spawn(first, rest, {
    env: person.environment,
    cwd: person.home,
    stdio: [stdin, stdin === 'pipe' ? 'pipe' : 'ignore', 'inherit'],
  });
}
