import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { run } from '../../rig/run.ts';
import { waitUntil } from '../../rig/wait.ts';
import type { Person } from './person.ts';
import { PythonHelper } from './python-helper.ts';

const script = fileURLToPath(new URL('accessibility.py', import.meta.url));

const foundSchema = z.strictObject({
  found: z
    .strictObject({
      sensitive: z.boolean(),
      x: z.int(),
      y: z.int(),
      width: z.int().positive(),
      height: z.int().positive(),
    })
    .nullable(),
});

/** What makes Chromium show itself to screen readers: the desktop's variable, and a switch that the app takes. */
export const accessibilityEnvironment = { ACCESSIBILITY_ENABLED: '1' } as const;
export const accessibilitySwitch = '--force-renderer-accessibility';

/** Finds what an app shows by role and name, and moves the real pointer to it: no debugger is needed. */
export class ScreenReader implements AsyncDisposable {
  readonly #person: Person;
  readonly #helper: PythonHelper;
  readonly #application: string;

  private constructor(person: Person, helper: PythonHelper, application: string) {
    this.#person = person;
    this.#helper = helper;
    this.#application = application;
  }

  /** To be started before the app, as a screen reader is. @throws {MissingPrerequisite} AT-SPI is not installed */
  static async start(person: Person, application: string): Promise<ScreenReader> {
    const helper = await PythonHelper.start(person, script, {
      code: 'import gi; gi.require_version("Atspi", "2.0"); from gi.repository import Atspi',
      packages: 'at-spi2-core gir1.2-atspi-2.0 python3-gi',
    });
    return new ScreenReader(person, helper, application);
  }

  /** Everything visible, as `role: name`. */
  async names(): Promise<readonly string[]> {
    const answer = await this.#helper.ask({ command: 'names', application: this.#application });
    return z.strictObject({ names: z.array(z.string()) }).parse(answer).names;
  }

  /** Waits until something of that name is shown. */
  async see(name: string, timeout = 20_000): Promise<void> {
    let seen: readonly string[] = [];
    await waitUntil(
      `“${name}” on the screen`,
      async () => {
        seen = await this.names();
        return seen.some((line) => line.slice(line.indexOf(': ') + 2) === name);
      },
      timeout,
    ).catch((error: unknown) => {
      throw new Error(`“${name}” is not on the screen, but: ${seen.join(', ')}`, { cause: error });
    });
  }

  /** Waits for a button and clicks its middle with the pointer. */
  async click(name: string): Promise<void> {
    const request = { command: 'find', application: this.#application, role: 'push button', name };
    const deadline = performance.now() + 20_000;
    let place = await this.#find(request);
    while (place?.sensitive !== true) {
      if (performance.now() > deadline) {
        throw new Error(
          `No button “${name}” can be clicked, but there are: ${(await this.names()).join(', ')}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
      place = await this.#find(request);
    }
    const { x, y, width, height } = place;
    const words = [String(x + Math.round(width / 2)), String(y + Math.round(height / 2))];
    await run('xdotool', ['mousemove', ...words, 'click', '1'], {
      env: { ...process.env, ...this.#person.environment },
    });
  }

  async #find(request: object) {
    return foundSchema.parse(await this.#helper.ask(request)).found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#helper[Symbol.asyncDispose]();
  }
}
