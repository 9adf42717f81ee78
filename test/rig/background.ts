import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { waitUntil } from './wait.ts';

export interface BackgroundOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** The program is up once a line of its output matches. Without it, use {@link Background.until}. */
  readonly ready?: RegExp;
  /** Milliseconds to wait for `ready`; 10,000 unless told. */
  readonly readyTimeout?: number;
}

const keptLines = 2000;

/**
 * A program that runs beside the test and ends no later than it.
 *
 * The kernel kills it when the thread that started it ends (`setpriv --pdeathsig`), so that even a test that is
 * killed leaves nothing running.
 */
export class Background implements AsyncDisposable {
  readonly pid: number;
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #ended: Promise<void>;
  #watcher: ((line: string) => void) | null = null;

  private constructor(name: string, child: ChildProcess, pid: number) {
    this.name = name;
    this.pid = pid;
    this.#child = child;
    this.#ended = once(child, 'exit').then(() => undefined);
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        this.#lines.push(line);
        if (this.#lines.length > keptLines) this.#lines.shift();
        this.#watcher?.(line);
      });
    }
  }

  /** @throws {Error} the program cannot be started, or ends or stays silent before it is ready */
  static async start(
    program: string,
    args: readonly string[],
    options: BackgroundOptions = {},
  ): Promise<Background> {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], {
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    await once(child, 'spawn');
    if (child.pid === undefined) throw new Error(`${program} was not started.`);
    const background = new Background([program, ...args].join(' '), child, child.pid);
    if (options.ready !== undefined) {
      try {
        await background.line(options.ready, options.readyTimeout);
      } catch (error) {
        await background.stop();
        throw error;
      }
    }
    return background;
  }

  /** The last lines of standard output and standard error, oldest first. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Waits until a line of the output matches; lines already printed count. */
  async line(pattern: RegExp, timeout = 10_000): Promise<string> {
    const seen = this.#lines.find((line) => pattern.test(line));
    if (seen !== undefined) return seen;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#watcher = (line) => {
      if (pattern.test(line)) resolve(line);
    };
    const timer = setTimeout(() => {
      reject(
        new Error(
          `\`${this.name}\` printed nothing like ${String(pattern)} in ${String(timeout)} ms${this.#said()}`,
        ),
      );
    }, timeout);
    void this.#ended.then(() => {
      // Its last lines may still be in the pipe.
      setImmediate(() => {
        reject(new Error(`\`${this.name}\` ended early${this.#said()}`));
      });
    });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#watcher = null;
    }
  }

  /** Waits until `isUp` holds, asking every 20 ms. @throws {Error} the program ended, or the time passed */
  async until(isUp: () => Promise<boolean>, timeout = 10_000): Promise<void> {
    await waitUntil(
      `\`${this.name}\` to be up`,
      async () => {
        if (!this.isRunning) throw new Error(`\`${this.name}\` ended early${this.#said()}`);
        return isUp();
      },
      timeout,
    );
  }

  /** Asks the program to end, after `grace` milliseconds makes it, and returns once it has. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', grace = 3000): Promise<void> {
    if (!this.isRunning) return;
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), grace);
    await this.#ended;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #said(): string {
    const { exitCode, signalCode } = this.#child;
    const end = this.isRunning ? '' : ` (${String(signalCode ?? exitCode)})`;
    const last = this.#lines.slice(-5).join(' | ');
    return last === '' ? end : `${end} It said: ${last}`;
  }
}
