import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import { MissingPrerequisite } from '../../rig/missing-prerequisite.ts';
import { succeeds } from '../../rig/run.ts';
import type { Person } from './person.ts';

/** Debian's Python, not one that lies earlier in PATH: it is the one that has gi. */
const python = '/usr/bin/python3';

/** A Python script of a person's, on the person's buses, which answers one line of JSON with another. */
export class PythonHelper implements AsyncDisposable {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  private constructor(name: string, child: ChildProcess, answers: AsyncIterator<string>) {
    this.#name = name;
    this.#child = child;
    this.#answers = answers;
  }

  /**
   * Starts the script and waits for its first line.
   *
   * @param imports what it needs of Debian's Python, and the packages that have it
   * @throws {MissingPrerequisite} they are not installed
   */
  static async start(
    person: Person,
    script: string,
    imports: { readonly code: string; readonly packages: string },
  ): Promise<PythonHelper> {
    if (!(await succeeds(python, ['-c', imports.code]))) {
      throw new MissingPrerequisite(
        `${imports.packages} is missing: run \`apt-get install ${imports.packages}\` and run this again.`,
      );
    }
    // The person may not be able to read the source tree.
    const copy = join(person.home, basename(script));
    await copyFile(script, copy);
    const child = spawnAs(person, 'pipe', python, copy);
    if (child.stdout === null) throw new Error(`${basename(script)} has no standard output.`);
    const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const helper = new PythonHelper(basename(script), child, answers);
    await helper.#read();
    return helper;
  }

  /** @throws {Error} what the script could not do */
  async ask(request: object): Promise<unknown> {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    return this.#read();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endChild(this.#child);
  }

  async #read(): Promise<unknown> {
    const next: IteratorResult<string, unknown> = await this.#answers.next();
    if (next.done === true) throw new Error(`${this.#name} ended.`);
    const answer: unknown = JSON.parse(next.value);
    const failed = z.object({ error: z.string() }).safeParse(answer);
    if (failed.success) throw new Error(`${this.#name} says: ${failed.data.error}`);
    return answer;
  }
}

/** Starts a program of a person's that is silent or, with `pipe`, talks over its standard streams. */
export function spawnAs(
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

export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
