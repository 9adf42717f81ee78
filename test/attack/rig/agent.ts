import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import { attackerText, environmentOf, identityOf, type Attacker } from './attacker.ts';

const errorSchema = z.object({
  message: z.string(),
  data: z.object({ domain: z.string(), code: z.string() }).optional(),
});

const answerSchema = z.object({
  id: z.int().nullable().optional(),
  result: z.unknown().optional(),
  error: errorSchema.optional(),
  milliseconds: z.number().optional(),
  closed: z.literal(true).optional(),
  /** Notifications, as they came. */
  told: z.array(z.object({ method: z.string(), params: z.record(z.string(), z.unknown()) })).optional(),
  failed: z.string().optional(),
});
export type Answer = z.infer<typeof answerSchema>;

/** A client of some uid and executable that goes on as long as the test: what it says comes from the test. */
export class Agent implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout === null) throw new Error('An agent without an output.');
    createInterface({ input: child.stdout }).on('line', (line) => this.#waiting.shift()?.resolve(line));
    child.on('exit', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('The agent ended.'));
    });
  }

  /** Starts the process and connects. */
  static async start(endpoint: string, attacker: Attacker): Promise<Agent> {
    const agent = await Agent.idle(endpoint, attacker);
    const hello = await agent.connect();
    if (hello.error !== undefined || hello.closed === true) {
      await agent[Symbol.asyncDispose]();
      throw new Error(`The agent was not admitted: ${JSON.stringify(hello)}`);
    }
    return agent;
  }

  /** Starts the process alone. */
  static async idle(endpoint: string, attacker: Attacker): Promise<Agent> {
    const script = (await attackerText('endpoint.py')) + (await attackerText('agent.py'));
    const [program, ...words] = identityOf(attacker, ['-c', script, endpoint]);
    return new Agent(
      spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'], env: environmentOf(attacker) }),
    );
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('The agent was not started.');
    return this.#child.pid;
  }

  /** A new connection, the old one is closed; the answer to `hello`, or the refusal. */
  connect(): Promise<Answer> {
    return this.#tell({ do: 'connect' });
  }

  call(method: string, params: unknown = {}): Promise<Answer> {
    return this.#tell({ do: 'call', method, params });
  }

  /** What was told since the last time, waiting so many seconds for more. */
  async told(seconds: number): Promise<NonNullable<Answer['told']>> {
    return (await this.#tell({ do: 'drain', seconds })).told ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await gone;
  }

  async #tell(command: object): Promise<Answer> {
    const line = new Promise<string>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
    return answerSchema.parse(JSON.parse(await line));
  }
}
