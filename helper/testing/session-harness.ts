import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import type { Configuration, TunnelProviderProtocol } from '@sallyport/shared/protocol/configuration.ts';
import type { JsonObject } from '@sallyport/shared/protocol/json.ts';
import type { LogEntry } from '@sallyport/shared/protocol/log.ts';
import type { SessionEnd, SessionSnapshot, SessionStatus } from '@sallyport/shared/protocol/session.ts';
import type { ResolvedNetworkSettings } from '@sallyport/shared/provider/network-settings.ts';
import { invalidPath, type NetworkPath } from '@sallyport/shared/provider/network-path.ts';
import { LeakWatch } from '../host/leak-watch.ts';
import { ProviderRegistry, type PacketTunnelProviderClass } from '../host/provider-registry.ts';
import { Logger } from '../log/logger.ts';
import { SessionManager } from '../sessions/session-manager.ts';
import { MemoryItemStore, MemorySecretStore } from './memory-keychain.ts';
import { MemoryVirtualInterfaces } from './memory-virtual-interface.ts';

const leaks = new LeakWatch();
export const testProvider = 'com.example.tunnel';

/** A session manager whose effects stay in memory. */
export class SessionHarness {
  readonly registry = new ProviderRegistry();
  readonly interfaces = new MemoryVirtualInterfaces();
  readonly secrets = new MemorySecretStore(true);
  readonly items = new MemoryItemStore();
  readonly configurations = new Map<string, Configuration>();
  readonly ends = new Map<string, SessionEnd>();
  readonly log: LogEntry[] = [];
  readonly changes: SessionSnapshot[] = [];
  readonly messages: { id: string; message: Uint8Array }[] = [];
  readonly applied = new Map<string, ResolvedNetworkSettings | null>();
  readonly manager: SessionManager;
  path: NetworkPath = {
    ...invalidPath,
    status: 'satisfied',
    supportsIPv4: true,
    supportsIPv6: true,
    mtu: 1500,
  };
  hosts = new Map<string, string[]>();
  /** Looks a name up in `hosts`; a literal is its own address. */
  resolve: (host: string) => Promise<string[]> = (host) => {
    const found = isIP(host) === 0 ? this.hosts.get(host) : [host];
    return found === undefined ? Promise.reject(new Error(`no such host ${host}`)) : Promise.resolve(found);
  };
  /** Awaited by every `apply`; lets a test hold it back or make it fail. */
  beforeApply: () => Promise<void> = () => Promise.resolve();

  constructor(
    providers: Readonly<Record<string, PacketTunnelProviderClass>>,
    options: {
      readonly configurations?: readonly Configuration[];
      readonly deadlines?: { readonly start: number; readonly stop: number };
    } = {},
  ) {
    for (const [identifier, provider] of Object.entries(providers))
      this.registry.register(identifier, provider);
    for (const configuration of options.configurations ?? [])
      this.configurations.set(configuration.id, configuration);
    const logger = new Logger(() => undefined);
    logger.follow((entry) => this.log.push(entry));
    this.manager = new SessionManager({
      configurations: {
        list: () => [...this.configurations.values()],
        get: (id) => this.configurations.get(id) ?? null,
      },
      host: {
        registry: this.registry,
        interfaces: this.interfaces,
        secrets: this.secrets,
        items: this.items,
        leaks,
        path: () => this.path,
        resolveHost: (host) => this.resolve(host),
      },
      network: (id) => ({
        fwmark: 1,
        mtu: () => 1420,
        apply: async (_device, settings) => {
          await this.beforeApply();
          this.applied.set(id, settings);
        },
        clear: () => {
          this.applied.delete(id);
          return Promise.resolve();
        },
      }),
      interfaceName: (id) => `sp-${id.slice(0, 8)}`,
      deadlines: options.deadlines ?? { start: 60_000, stop: 20_000 },
      ends: {
        get: (id) => this.ends.get(id) ?? null,
        set: (id, end) => void this.ends.set(id, end),
        remove: (id) => void this.ends.delete(id),
      },
      observer: {
        sessionChanged: (session) => this.changes.push(session),
        providerMessage: (id, message) => this.messages.push({ id, message }),
        displayMessage: () => false,
      },
      logger,
    });
  }

  /** Stores a configuration and tells the manager, as `configurations.save` does. */
  save(configuration: Configuration): Configuration {
    this.configurations.set(configuration.id, configuration);
    this.manager.configurationSaved(configuration);
    return configuration;
  }

  snapshot(id: string): SessionSnapshot {
    const found = this.manager.snapshots().find((session) => session.configurationId === id);
    if (found === undefined) throw new Error(`There is no session of ${id}.`);
    return found;
  }

  /** Statuses that were published for a configuration, in order, repetitions left out. */
  history(id: string): SessionStatus[] {
    return this.changes
      .filter((session) => session.configurationId === id)
      .map((session) => session.status)
      .filter((status, index, all) => index === 0 || status !== all[index - 1]);
  }

  /** Starts and waits for `connected`. */
  async connect(id: string, options: JsonObject | null = null): Promise<void> {
    this.manager.start(id, options, false);
    await this.until(id, 'connected');
  }

  async disconnect(id: string): Promise<void> {
    this.manager.stop(id);
    await this.until(id, 'disconnected');
  }

  /** Waits for a status. @throws {Error} after 5 s */
  async until(id: string, status: SessionStatus): Promise<void> {
    const limit = Date.now() + 5000;
    while (this.snapshot(id).status !== status) {
      if (Date.now() > limit) {
        throw new Error(
          `The session is ${this.snapshot(id).status}, not ${status}. ${JSON.stringify(this.log.slice(-5))}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

/** A configuration as the store would hold it. */
export function testConfiguration(
  changes: Partial<Configuration> = {},
  protocol: Partial<TunnelProviderProtocol> = {},
): Configuration {
  const id = changes.id ?? randomUUID();
  return {
    id,
    name: `Test ${id.slice(0, 8)}`,
    isEnabled: true,
    scope: 'system',
    retry: false,
    secretReferences: [],
    revision: 1,
    owner: 0,
    createdAt: 1,
    modifiedAt: 1,
    ...changes,
    protocolConfiguration: {
      providerBundleIdentifier: testProvider,
      serverAddress: null,
      username: null,
      passwordReference: null,
      identityReference: null,
      disconnectOnSleep: false,
      includeAllNetworks: false,
      excludeLocalNetworks: false,
      enforceRoutes: false,
      providerConfiguration: null,
      ...protocol,
    },
  };
}
