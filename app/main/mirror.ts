import type { Configuration } from '@sallyport/shared/protocol/configuration.ts';
import { serializeError } from '@sallyport/shared/protocol/errors.ts';
import type { SessionSnapshot } from '@sallyport/shared/protocol/session.ts';
import { isUp } from '../bridge/session-facts.ts';
import type { AppState, ExtensionState, Tunnel, TunnelDetails } from '../bridge/state.ts';
import type { TunnelClient } from './tunnel-client.ts';

/** Reads what may be shown out of a provider's dictionary; null when it is not one that the app knows. */
export type DescribeConfiguration = (configuration: Configuration) => TunnelDetails | null;

/**
 * The app's copy of what the endpoint last said.
 *
 * While the endpoint is away nothing is known about any tunnel, so none is shown.
 */
export class Mirror {
  readonly #describe: DescribeConfiguration;
  readonly #listeners = new Set<(state: AppState) => void>();
  #extension: ExtensionState = { state: 'connecting' };
  #configurations = new Map<string, Configuration>();
  #sessions = new Map<string, SessionSnapshot>();
  #state: AppState = { extension: this.#extension, tunnels: [] };

  /** @param packaged whether the app was built and installed */
  constructor(client: TunnelClient, describe: DescribeConfiguration, packaged: boolean) {
    this.#describe = describe;
    client.on('connected', (hello) => {
      this.#extension = {
        state: 'active',
        version: hello.extension.version,
        developerMode: hello.developerMode,
        role: hello.role,
        hiddenSessions: 0,
      };
    });
    client.on('disconnected', (error) => {
      this.#extension = { state: 'unreachable', error: serializeError(error), packaged };
      this.#configurations.clear();
      this.#sessions.clear();
      this.#publish();
    });
    client.on('snapshot', (snapshot) => {
      this.#configurations = new Map(snapshot.configurations.map((each) => [each.id, each]));
      this.#sessions = new Map(snapshot.sessions.map((each) => [each.configurationId, each]));
      this.#publish();
    });
    client.on('sessionChanged', (session) => {
      this.#sessions.set(session.configurationId, session);
      this.#publish();
    });
    client.on('configurationChanged', (id, configuration) => {
      if (configuration === null) {
        this.#configurations.delete(id);
        this.#sessions.delete(id);
      } else {
        this.#configurations.set(id, configuration);
      }
      this.#publish();
    });
  }

  get state(): AppState {
    return this.#state;
  }

  configuration(id: string): Configuration | undefined {
    return this.#configurations.get(id);
  }

  get names(): readonly string[] {
    return [...this.#configurations.values()].map((each) => each.name);
  }

  /** Calls the listener with every later state. */
  onChange(listener: (state: AppState) => void): void {
    this.#listeners.add(listener);
  }

  #publish(): void {
    const tunnels = [...this.#configurations.values()]
      .map((each) => this.#tunnel(each))
      .sort((a, b) => a.name.localeCompare(b.name) || a.id.localeCompare(b.id));
    const hidden = [...this.#sessions.values()].filter(
      (session) => isUp(session) && !this.#configurations.has(session.configurationId),
    );
    if (this.#extension.state === 'active')
      this.#extension = { ...this.#extension, hiddenSessions: hidden.length };
    this.#state = { extension: this.#extension, tunnels };
    for (const listener of this.#listeners) listener(this.#state);
  }

  #tunnel(configuration: Configuration): Tunnel {
    return {
      id: configuration.id,
      name: configuration.name,
      serverAddress: configuration.protocolConfiguration.serverAddress,
      isEnabled: configuration.isEnabled,
      details: this.#describe(configuration),
      session: this.#sessions.get(configuration.id) ?? null,
    };
  }
}
