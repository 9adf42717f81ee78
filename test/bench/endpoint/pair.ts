import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mallocEnvironment, nodeArguments } from '@sallyport/helper/node-arguments.ts';
import { cpuSeconds, memory } from '../process-cost.ts';
import { measuredSchema, readySchema, type Measured, type Task, type Transport } from './protocol.ts';

export interface Cost extends Measured {
  /** Processor time that the server took for a call, in microseconds. */
  readonly serverCpu: number;
}

/** A server of one transport and a client of it, each in a process of its own. */
export class Pair implements AsyncDisposable {
  readonly #server: ChildProcess;
  readonly #client: ChildProcess;

  private constructor(server: ChildProcess, client: ChildProcess) {
    this.#server = server;
    this.#client = client;
  }

  /** @param directory of one's own, for the socket */
  static async start(transport: Transport, directory: string): Promise<Pair> {
    const path = join(directory, `${transport}.sock`);
    // The helper's own way to start Node, except for those that have nothing to do with it.
    const isOurs = transport !== 'stock' && transport !== 'grpc';
    const server = await start('server.ts', [transport, path], isOurs ? nodeArguments : []);
    try {
      return new Pair(server, await start('client.ts', [transport, path], []));
    } catch (error) {
      await end(server);
      throw error;
    }
  }

  async measure(task: Task): Promise<Cost> {
    const before = await cpuSeconds(pidOf(this.#server));
    this.#client.send(task);
    const measured = measuredSchema.parse(await said(this.#client));
    const cpu = (await cpuSeconds(pidOf(this.#server))) - before;
    return { ...measured, serverCpu: (cpu * 1e6) / measured.calls };
  }

  /** Resident memory of the server, in megabytes. */
  async serverMemory(): Promise<number> {
    return (await memory(pidOf(this.#server))).resident;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#client);
    await end(this.#server);
  }
}

async function start(
  file: string,
  args: readonly string[],
  execArgv: readonly string[],
): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, {
    execArgv: [...execArgv],
    env: { ...process.env, ...mallocEnvironment },
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  readySchema.parse(await said(child));
  return child;
}

/** The next thing that a process says. @throws {Error} it ended instead */
async function said(child: ChildProcess): Promise<unknown> {
  const stop = new AbortController();
  const { signal } = stop;
  try {
    return await Promise.race([
      once(child, 'message', { signal }).then(([message]: unknown[]) => message),
      once(child, 'exit', { signal }).then(([code]: unknown[]) => {
        throw new Error(`A process of the benchmark ended with ${String(code)}.`);
      }),
    ]);
  } finally {
    stop.abort();
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error('A process of the benchmark was not started.');
  return pid;
}
