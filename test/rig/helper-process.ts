import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectEndpoint } from '@sallyport/shared/client/connect-endpoint.ts';
import { ReconnectingClient } from '@sallyport/shared/client/reconnecting-client.ts';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { mallocEnvironment, nodeArguments } from '@sallyport/helper/node-arguments.ts';
import { Background } from './background.ts';

const sourceMain = fileURLToPath(new URL('../../helper/main.ts', import.meta.url));

export interface HelperOptions {
  /** Directory for state and socket, which must exist; a temporary one, removed at the end, unless told. */
  readonly directory?: string;
  /** Manifest file of another extension; the product's own unless told. */
  readonly manifest?: string;
  /** The helper's main; the source tree's unless told. */
  readonly main?: string;
  readonly nodeArguments?: readonly string[];
  readonly logLevel?: string;
}

/** A developer-mode helper as a process of its own, in the caller's private namespaces, and clients of it. */
export class HelperProcess implements AsyncDisposable {
  readonly endpoint: string;
  readonly directory: string;
  readonly #process: Background;
  readonly #isTemporary: boolean;
  readonly #clients: ReconnectingClient[] = [];

  private constructor(process: Background, directory: string, endpoint: string, isTemporary: boolean) {
    this.#process = process;
    this.directory = directory;
    this.endpoint = endpoint;
    this.#isTemporary = isTemporary;
  }

  /** Starts the helper and waits until its endpoint answers. */
  static async start(options: HelperOptions = {}): Promise<HelperProcess> {
    const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'sallyport-')));
    const endpoint = join(directory, 'endpoint.sock');
    const background = await Background.start(
      process.execPath,
      [
        ...(options.nodeArguments ?? []),
        ...nodeArguments,
        options.main ?? sourceMain,
        '--developer',
        ...['--endpoint', endpoint, '--state', join(directory, 'state')],
        ...['--log-level', options.logLevel ?? 'debug'],
        ...(options.manifest === undefined ? [] : ['--manifest', options.manifest]),
      ],
      { ready: /^\{"ready":/, env: { ...process.env, ...mallocEnvironment } },
    );
    return new HelperProcess(background, directory, endpoint, options.directory === undefined);
  }

  get pid(): number {
    return this.#process.pid;
  }

  get isRunning(): boolean {
    return this.#process.isRunning;
  }

  /** Lines of the helper's structured log, oldest first. */
  get log(): readonly string[] {
    return this.#process.lines;
  }

  /** A connected client; closed with the helper at the latest. */
  async client(): Promise<ReconnectingClient> {
    const client = new ReconnectingClient({
      connect: (receiver) =>
        connectEndpoint({
          manifest: sallyportManifest,
          packaged: false,
          environment: { SALLYPORT_ENDPOINT: this.endpoint },
          client: { name: 'rig', version: '0' },
          receiver,
        }),
    });
    this.#clients.push(client);
    client.start();
    await client.ready();
    return client;
  }

  /** Ends the helper as a crash would; its directory stays for the next one. */
  async kill(): Promise<void> {
    await this.#process.stop('SIGKILL');
  }

  /** Ends the helper in order. */
  async stop(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.close();
    await this.#process.stop('SIGTERM', 30_000);
    if (this.#isTemporary) await rm(this.directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
