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
  readonly #administrator: number;
  #process: Background | null = null;

  private constructor(state: string, administrator: number) {
    this.#state = state;
    this.#administrator = administrator;
  }

  /** @param administrator uid that may change configurations, as polkit would have said */
  static async start(administrator: number): Promise<RootHelper> {
    // Its `/run`, its network and its resolv.conf are the rig's, or it would be the machine's.
    assertPrivateNamespaces();
    const helper = new RootHelper(await mkdtemp(join(tmpdir(), 'sallyport-state-')), administrator);
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
    const words = ['--administrator', String(this.#administrator), '--state', join(this.#state, 'helper')];
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
