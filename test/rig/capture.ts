import { setTimeout as sleep } from 'node:timers/promises';
import { Background } from './background.ts';

/** Milliseconds between the last packet that counts and tcpdump's end. */
const settlingTime = 250;

/** What passes a link while it is watched: the observer that a leak cannot hide from. */
export class Capture implements AsyncDisposable {
  readonly #tcpdump: Background;

  private constructor(tcpdump: Background) {
    this.#tcpdump = tcpdump;
  }

  /**
   * Watches a link of this namespace, both directions.
   *
   * @param filter in tcpdump's language, such as `not udp port 51820`
   */
  static async start(link: string, filter: string): Promise<Capture> {
    const words = ['-i', link, '-n', '-l', '-p', '--immediate-mode', '-Z', 'root', filter];
    return new Capture(await Background.start('tcpdump', words, { ready: /^listening on/ }));
  }

  /** One line a packet, in tcpdump's words, oldest first; the newest 2,000 at most. */
  get packets(): readonly string[] {
    return this.#tcpdump.lines.filter((line) => /^\d\d:\d\d:\d\d\.\d+ /.test(line));
  }

  /** Ends the capture and returns all packets. @throws {Error} tcpdump ended before it was asked to */
  async stop(): Promise<readonly string[]> {
    if (!this.#tcpdump.isRunning) throw new Error('tcpdump ended too early: its packets prove nothing.');
    // What has just passed the link may not have reached tcpdump.
    await sleep(settlingTime);
    await this.#tcpdump.stop('SIGINT');
    return this.packets;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tcpdump.stop('SIGINT');
  }
}
