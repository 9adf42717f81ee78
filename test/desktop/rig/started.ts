import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Person } from './person.ts';

/** A program of a person's without a debugger: what it printed, and how it ended. */
export class Started implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #out = '';
  #error = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, 'close');
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#out += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#error += text));
  }

  static async start(
    person: Person,
    program: string,
    args: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Started> {
    const [first, ...rest] = person.command(program, ...args);
    const child = spawn(first, rest, {
      env: { ...person.environment, ...environment },
      cwd: person.home,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    await once(child, 'spawn');
    return new Started(child);
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('It was not started.');
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get out(): string {
    return this.#out;
  }

  get error(): string {
    return this.#error;
  }

  /** Waits for its end; kills it, and is null, after `timeout` milliseconds. */
  async code(timeout = 20_000): Promise<number | null> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), timeout);
    await this.#ended;
    clearTimeout(timer);
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) this.#child.kill('SIGTERM');
    await this.code(5000);
  }
}

/** TCP ports on which somebody in this network namespace listens, proc_net_tcp. */
export async function listeningPorts(): Promise<readonly number[]> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8')));
  return tables
    .flatMap((table) => table.trim().split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state]) => state === '0A')
    .map(([, local = '']) => Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16));
}
