import { ReconnectingClient } from '@sallyport/shared/client/reconnecting-client.ts';
import { createStyle, type Style } from './format/style.ts';
import type { Agent, Host } from './host.ts';

/** What a command works with: the helper, and a place to say something. */
export class Cli {
  readonly host: Host;
  readonly style: Style;
  readonly #json: boolean;
  readonly #mayAskPassword: boolean;
  #client: ReconnectingClient | null = null;
  #agent: Agent | null = null;

  constructor(host: Host, options: { readonly json: boolean; readonly askPassword: boolean }) {
    this.host = host;
    this.#json = options.json;
    this.#mayAskPassword = options.askPassword;
    this.style = createStyle(!options.json && host.stdout.isTTY, host.environment);
  }

  /** Whether a person reads along as it happens. */
  get isInteractive(): boolean {
    return !this.#json && this.host.stdout.isTTY;
  }

  /**
   * The helper, connected.
   *
   * @throws {EndpointError} `notReachable` and its kin
   */
  async client(): Promise<ReconnectingClient> {
    if (this.#client !== null) return this.#client;
    const client = new ReconnectingClient({ connect: (receiver) => this.host.connect(receiver) });
    this.#client = client;
    client.start();
    await client.ready();
    return client;
  }

  /** As `client`, for something that an administrator may have to approve first. */
  async clientForChange(): Promise<ReconnectingClient> {
    const client = await this.client();
    const isAdministrator = client.hello?.role === 'administrator';
    if (!isAdministrator && this.#mayAskPassword && this.#agent === null) {
      this.#agent = await this.host.startAgent();
    }
    return client;
  }

  /** Prints a command's result: text for a person, or with `--json` the object on one line. */
  print(text: string, json: object): void {
    this.host.stdout.write(this.#json ? `${JSON.stringify(json)}\n` : `${text}\n`);
  }

  /** Tells a person something that is no part of the result. */
  note(text: string): void {
    if (!this.#json) this.host.stderr.write(`${text}\n`);
  }

  /** Ends the connection and the password agent. */
  async close(): Promise<void> {
    this.#client?.close();
    await this.#agent?.stop();
  }
}
