import { join } from 'node:path';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { invalidPath } from '@sallyport/shared/provider/network-path.ts';
import { PacketTunnelProvider } from '@sallyport/shared/provider/packet-tunnel-provider.ts';
import { ConfigurationStore } from '../configurations/configuration-store.ts';
import { EndpointServer } from '../endpoint/endpoint-server.ts';
import { makeHandlers } from '../endpoint/handlers.ts';
import { sessionObserver } from '../endpoint/session-observer.ts';
import { Subscriptions } from '../endpoint/subscriptions.ts';
import { LeakWatch } from '../host/leak-watch.ts';
import { ProviderRegistry } from '../host/provider-registry.ts';
import { FileSecretStore } from '../keychain/secret-store.ts';
import { Logger } from '../log/logger.ts';
import { FileEndStore } from '../sessions/end-store.ts';
import { SessionManager } from '../sessions/session-manager.ts';
import { MemoryListener, type MemoryClient } from './memory-listener.ts';
import { MemoryVirtualInterfaces } from './memory-virtual-interface.ts';

const leaks = new LeakWatch();
export const echoProvider = 'com.example.echo';

/** Answers messages with themselves, and pushes those that begin with an exclamation mark. */
class Echo extends PacketTunnelProvider {
  override startTunnel(): Promise<void> {
    return Promise.resolve();
  }
  override stopTunnel(): Promise<void> {
    return Promise.resolve();
  }
  override async handleAppMessage(message: Uint8Array): Promise<Uint8Array | null> {
    if (message.byteLength === 0) return null;
    if (message[0] === 0x21) {
      this.sendProviderMessage(message.subarray(1));
      return new Uint8Array([Number(await this.displayMessage('Look here'))]);
    }
    return message;
  }
}

/** The helper with files in a temporary directory, devices in memory and clients in the test. */
export class EndpointRig {
  readonly listener = new MemoryListener();
  readonly lines: string[] = [];
  readonly logger = new Logger((line) => this.lines.push(line), { level: 'debug' });
  readonly followers = new Map<number, () => void>();
  readonly configurations: ConfigurationStore;
  readonly server: EndpointServer;

  private constructor(configurations: ConfigurationStore, secrets: FileSecretStore, ends: FileEndStore) {
    this.configurations = configurations;
    const registry = new ProviderRegistry();
    registry.register(echoProvider, Echo);
    const subscriptions = new Subscriptions((connection, name, params) => {
      this.server.notify(connection, name, params);
    });
    const isTold = (connection: number): boolean => this.server.roleOf(connection) !== 'observer';
    const sessions = new SessionManager({
      configurations,
      ends,
      logger: this.logger,
      deadlines: { start: 5000, stop: 5000 },
      host: {
        registry,
        secrets,
        interfaces: new MemoryVirtualInterfaces(),
        leaks,
        path: () => invalidPath,
        resolveHost: (host) => Promise.resolve([host]),
      },
      network: () => ({
        fwmark: 1,
        mtu: () => 1420,
        apply: () => Promise.resolve(),
        clear: () => Promise.resolve(),
      }),
      interfaceName: (id) => `sp-${id.slice(0, 8)}`,
      observer: sessionObserver(subscriptions, isTold),
    });
    this.server = new EndpointServer({
      log: this.logger.child('endpoint'),
      requirement: { executables: [], administrators: [1000], developerMode: false },
      handlers: makeHandlers({
        manifest: sallyportManifest,
        developerMode: false,
        url: 'file:///opt/helper/',
        startedAt: 1,
        registry,
        configurations,
        sessions,
        subscriptions,
        logger: this.logger,
        followers: this.followers,
        server: () => this.server,
      }),
      onClosed: (connection) => {
        subscriptions.unsubscribe(connection);
        this.followers.get(connection)?.();
        this.followers.delete(connection);
      },
    });
    this.server.start(this.listener.listen);
  }

  /** @param directory keeps configurations, secrets and ends */
  static async open(directory: string): Promise<EndpointRig> {
    const secrets = await FileSecretStore.open(join(directory, 'secrets'));
    const configurations = await ConfigurationStore.open(
      join(directory, 'configurations'),
      secrets,
      () => undefined,
    );
    const ends = await FileEndStore.open(join(directory, 'ends.json'), () => undefined);
    return new EndpointRig(configurations, secrets, ends);
  }

  /** A client that greeted. */
  async client(uid = 0): Promise<MemoryClient> {
    const client = this.listener.connect({ uid });
    await client.hello();
    return client;
  }
}
