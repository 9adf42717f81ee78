import { join } from 'node:path';
import { actionId } from '@sallyport/shared/protocol/authorization.ts';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { protocolVersions, type VersionRange } from '@sallyport/shared/protocol/version.ts';
import type { TunnelProviderProtocol } from '@sallyport/shared/protocol/configuration.ts';
import { maximumProviderMessageBytes } from '@sallyport/shared/protocol/limits.ts';
import type { PacketTunnelNetworkSettings } from '@sallyport/shared/provider/network-settings.ts';
import { invalidPath } from '@sallyport/shared/provider/network-path.ts';
import { PacketTunnelProvider } from '@sallyport/shared/provider/packet-tunnel-provider.ts';
import { ConfigurationStore } from '../configurations/configuration-store.ts';
import { Audience } from '../endpoint/audience.ts';
import { EndpointServer } from '../endpoint/endpoint-server.ts';
import { makeHandlers } from '../endpoint/handlers.ts';
import { LeakWatch } from '../host/leak-watch.ts';
import { ProviderRegistry } from '../host/provider-registry.ts';
import { IdentityImporter } from '../keychain/import-identity.ts';
import { Keychain } from '../keychain/keychain.ts';
import { Logger } from '../log/logger.ts';
import { FileEndStore } from '../sessions/end-store.ts';
import { SessionManager } from '../sessions/session-manager.ts';
import { MemoryAuthority } from './memory-authority.ts';
import { MemoryListener, type MemoryClient } from './memory-listener.ts';
import { MemoryVirtualInterfaces } from './memory-virtual-interface.ts';

const leaks = new LeakWatch();
export const echoProvider = 'com.example.echo';

/** First bytes that make the provider of the rig do something else than answer with the message itself. */
export const echoCommands = { push: 0x21, hang: 0x3f, fail: 0x2a, grow: 0x2b } as const;

/** Messages that reached providers of the rig, as hexadecimal. */
export const echoed: string[] = [];

/** Answers messages with themselves; claims every route when its server is `everything`. */
class Echo extends PacketTunnelProvider {
  static expectedNetworkSettings(protocol: TunnelProviderProtocol): PacketTunnelNetworkSettings {
    const includedRoutes = protocol.serverAddress === 'everything' ? [{ destination: '0.0.0.0/0' }] : [];
    return { tunnelRemoteAddress: null, ipv4: { addresses: ['10.0.0.2/32'], includedRoutes } };
  }
  override startTunnel(): Promise<void> {
    return Promise.resolve();
  }
  override stopTunnel(): Promise<void> {
    return Promise.resolve();
  }
  override async handleAppMessage(message: Uint8Array): Promise<Uint8Array | null> {
    echoed.push(Buffer.from(message).toString('hex'));
    if (message.byteLength === 0) return null;
    switch (message[0]) {
      case echoCommands.push:
        this.sendProviderMessage(message.subarray(1));
        return new Uint8Array([Number(await this.displayMessage('Look here'))]);
      case echoCommands.hang:
        return await new Promise(() => undefined);
      case echoCommands.fail:
        throw new Error('I do not want to.');
      case echoCommands.grow:
        return new Uint8Array(maximumProviderMessageBytes + 1);
      default:
        return message;
    }
  }
}

/** Lets a uid do what a role may, without a password. */
export function grantRole(
  authority: MemoryAuthority,
  uid: number,
  role: 'container' | 'administrator',
): void {
  authority.answer(uid, 'yes', actionId(sallyportManifest.identifier, 'use'));
  if (role === 'administrator') authority.answer(uid, 'yes');
}

/** The helper with files in a temporary directory, devices in memory and clients in the test. */
export class EndpointRig {
  readonly listener = new MemoryListener();
  readonly lines: string[] = [];
  readonly logger = new Logger((line) => this.lines.push(line), { level: 'debug' });
  readonly followers = new Map<number, () => void>();
  readonly configurations: ConfigurationStore;
  readonly server: EndpointServer;
  readonly authority: MemoryAuthority;
  readonly sessions: SessionManager;
  /** What the server takes for the time, in milliseconds; moved by the test. */
  now = 0;

  private constructor(
    configurations: ConfigurationStore,
    keychain: Keychain,
    ends: FileEndStore,
    authority: MemoryAuthority,
    protocol: VersionRange,
  ) {
    this.configurations = configurations;
    this.authority = authority;
    const registry = new ProviderRegistry();
    registry.register(echoProvider, Echo);
    const audience: Audience = new Audience({
      send: (connection, name, params) => {
        this.server.notify(connection, name, params);
      },
      configurations,
      sessions: () => sessions.snapshots(),
      viewer: (connection) => this.server.viewer(connection),
    });
    const sessions: SessionManager = new SessionManager({
      configurations,
      ends,
      logger: this.logger,
      deadlines: { start: 5000, stop: 5000 },
      host: {
        registry,
        secrets: keychain.secrets,
        items: keychain.items,
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
      observer: audience,
    });
    this.sessions = sessions;
    this.server = new EndpointServer({
      log: this.logger.child('endpoint'),
      requirement: { executables: [], developerUid: null },
      files: { inspect: () => Promise.resolve(null) },
      authority,
      extensionIdentifier: sallyportManifest.identifier,
      now: () => this.now,
      handlers: makeHandlers({
        manifest: sallyportManifest,
        developerMode: false,
        url: 'file:///opt/helper/',
        startedAt: 1,
        registry,
        configurations,
        identities: new IdentityImporter(keychain.secrets, configurations.pending),
        sessions,
        audience,
        logger: this.logger,
        followers: this.followers,
        server: () => this.server,
        protocol,
      }),
      onRoleChanged: (connection) => {
        audience.refresh(connection);
      },
      onClosed: (connection) => {
        audience.unsubscribe(connection);
        this.followers.get(connection)?.();
        this.followers.delete(connection);
      },
    });
    this.server.start(this.listener.listen);
  }

  /**
   * @param directory keeps configurations, secrets and ends
   * @param options who decides for other uids than root's, nobody unless told; what the helper speaks
   */
  static async open(
    directory: string,
    options: { readonly authority?: MemoryAuthority; readonly protocol?: VersionRange } = {},
  ): Promise<EndpointRig> {
    const keychain = await Keychain.open(join(directory, 'secrets'), {
      log: () => undefined,
      sealer: null,
    });
    const configurations = await ConfigurationStore.open(
      join(directory, 'configurations'),
      keychain.secrets,
      () => undefined,
    );
    const ends = await FileEndStore.open(join(directory, 'ends.json'), () => undefined);
    const { authority = new MemoryAuthority(), protocol = protocolVersions } = options;
    return new EndpointRig(configurations, keychain, ends, authority, protocol);
  }

  /** A client that greeted. */
  async client(uid = 0): Promise<MemoryClient> {
    const client = this.listener.connect({ uid });
    await client.hello();
    return client;
  }
}
