import type { ChildProcess } from 'node:child_process';
import { access } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { waitUntil } from '../../rig/wait.ts';
import type { Person } from './person.ts';
import { endChild, PythonHelper, spawnAs } from './python-helper.ts';

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
  readonly #panel: PythonHelper;

  private constructor(bus: ChildProcess, panel: PythonHelper) {
    this.#bus = bus;
    this.#panel = panel;
  }

  /** @throws {MissingPrerequisite} python3-gi is not installed */
  static async start(person: Person): Promise<TrayHost> {
    const address = person.environment['DBUS_SESSION_BUS_ADDRESS'] ?? '';
    const bus = spawnAs(
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
    const panel = await PythonHelper.start(person, script, { code: 'import gi', packages: 'python3-gi' });
    return new TrayHost(bus, panel);
  }

  /** The icon as it is now; waits for the first one. */
  async item(): Promise<TrayItem> {
    return itemSchema.parse(await this.#panel.ask({ command: 'item' }));
  }

  /** Labels of the menu's entries that can be clicked. */
  async menu(): Promise<readonly string[]> {
    const answer = await this.#panel.ask({ command: 'menu' });
    return z.strictObject({ labels: z.array(z.string()) }).parse(answer).labels;
  }

  async click(label: string): Promise<void> {
    await this.#panel.ask({ command: 'click', label });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#panel[Symbol.asyncDispose]();
    await endChild(this.#bus);
  }
}
