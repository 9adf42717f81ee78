import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Background } from '../../rig/background.ts';
import { mallocEnvironment, nodeArguments } from '@sallyport/helper/node-arguments.ts';
import { assertPrivateNamespaces } from '@sallyport/helper/developer/private-namespaces.ts';

const main = fileURLToPath(new URL('../../../helper/main.ts', import.meta.url));

/** The helper as the service manager would run it: as root, at the system's own endpoint, with its checks on. */
export class RootHelper implements AsyncDisposable {
  readonly #state: string;
  #process: Background | null = null;

  private constructor(state: string) {
    this.#state = state;
  }

  /** To be started after polkit, whom it asks about everybody but root. */
  static async start(): Promise<RootHelper> {
    // Its `/run`, its network and its resolv.conf are the rig's, or it would be the machine's.
    assertPrivateNamespaces();
    const helper = new RootHelper(await mkdtemp(join(tmpdir(), 'sallyport-state-')));
    await helper.startAgain();
    return helper;
  }

  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  get log(): readonly string[] {
    return this.#process?.lines ?? [];
  }

  /** After {@link stop}: the same state, a new process. */
  async startAgain(): Promise<void> {
    const words = ['--state', join(this.#state, 'helper')];
    this.#process = await Background.start(process.execPath, [...nodeArguments, main, ...words], {
      ready: /^\{"ready":/,
      readyTimeout: 30_000,
      env: { ...process.env, ...mallocEnvironment },
    });
  }

  async stop(): Promise<void> {
    await this.#process?.stop('SIGTERM', 30_000);
    this.#process = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.#state, { recursive: true, force: true });
  }
}
