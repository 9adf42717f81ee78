import { EndpointConnection } from '@sallyport/shared/client/endpoint-connection.ts';
import type { Agent, Host } from '../host.ts';
import { run } from '../run.ts';

export interface TestHostOptions {
  /** The fake helper's socket. */
  readonly path: string;
  readonly stdin?: Uint8Array;
  readonly isTTY?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
  readonly agent?: Agent;
}

/** A host that keeps what is printed, and has no terminal unless told. */
export class TestHost implements Host {
  readonly stdout: Host['stdout'];
  readonly stderr: Host['stderr'];
  readonly environment: Readonly<Record<string, string>>;
  out = '';
  errorText = '';
  agentStarts = 0;
  readonly #options: TestHostOptions;
  readonly #interruptListeners = new Set<() => void>();

  constructor(options: TestHostOptions) {
    this.#options = options;
    const isTTY = options.isTTY ?? false;
    this.stdout = { write: (text) => (this.out += text), isTTY };
    this.stderr = { write: (text) => (this.errorText += text), isTTY };
    this.environment = options.environment ?? {};
  }

  run(...words: string[]): Promise<number> {
    return run(words, this);
  }

  /** The only JSON object that was printed. */
  get json(): unknown {
    const value: unknown = JSON.parse(this.out);
    return value;
  }

  /** JSON objects that were printed, a line each. */
  get jsonLines(): unknown[] {
    return this.out
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
  }

  interrupt(): void {
    for (const listener of this.#interruptListeners) listener();
  }

  get awaitsInterrupt(): boolean {
    return this.#interruptListeners.size > 0;
  }

  readStdin(): Promise<Uint8Array> {
    return Promise.resolve(this.#options.stdin ?? new Uint8Array());
  }

  connect(receiver: Parameters<Host['connect']>[0]): Promise<EndpointConnection> {
    const client = { name: 'sallyport', version: '0' };
    return EndpointConnection.open({ path: this.#options.path, client, remedy: 'No helper.', receiver });
  }

  startAgent(): Promise<Agent | null> {
    this.agentStarts += 1;
    return Promise.resolve(this.#options.agent ?? null);
  }

  onInterrupt(listener: () => void): () => void {
    this.#interruptListeners.add(listener);
    return () => {
      this.#interruptListeners.delete(listener);
    };
  }

  now(): number {
    return Date.now();
  }
}
