import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { DnsQuery, DnsRecords } from './dns-server.ts';
import { replySchema, type PeerServicesOptions, type Request } from './peer-services-protocol.ts';

const script = fileURLToPath(new URL('peer-services.ts', import.meta.url));

/** The servers behind the tunnel, in a process of their own inside the peer's namespace. */
export class PeerServices implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (queries: DnsQuery[]) => void>();
  #lastId = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(namespace: string, options: PeerServicesOptions): Promise<PeerServices> {
    const words = ['--pdeathsig', 'KILL', '--', 'ip', 'netns', 'exec', namespace, process.execPath];
    const child = spawn('setpriv', [...words, script, JSON.stringify(options)], {
      // Options of a test runner's own Node process do not belong to this one.
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const services = new PeerServices(child);
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    child.on('message', (message) => {
      const reply = replySchema.parse(message);
      if (reply.kind === 'ready') resolve(undefined);
      else {
        services.#waiting.get(reply.id)?.(reply.queries);
        services.#waiting.delete(reply.id);
      }
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      reject(new Error(`The servers behind the tunnel ended early (${String(code)}); see above.`));
    });
    await promise;
    return services;
  }

  /** Replaces all names that a server knows. */
  async setRecords(server: string, records: DnsRecords): Promise<void> {
    const copy = Object.fromEntries(
      Object.entries(records).map(([name, addresses]) => [name, [...addresses]]),
    );
    await this.#ask({ kind: 'setRecords', id: ++this.#lastId, server, records: copy });
  }

  /** What a server was asked since this was last called, oldest first. */
  async takeQueries(server: string): Promise<readonly DnsQuery[]> {
    return this.#ask({ kind: 'takeQueries', id: ++this.#lastId, server });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #ask(request: Request): Promise<readonly DnsQuery[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly DnsQuery[]>();
    const onExit = (): void => {
      reject(new Error('The servers behind the tunnel have ended.'));
    };
    this.#child.once('exit', onExit);
    this.#waiting.set(request.id, resolve);
    this.#child.send(request);
    try {
      return await promise;
    } finally {
      this.#child.off('exit', onExit);
      this.#waiting.delete(request.id);
    }
  }
}
