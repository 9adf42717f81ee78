import { isIP } from 'node:net';
import {
  parseWireGuardProviderConfiguration,
  type WireGuardProviderConfiguration,
} from '@sallyport/shared/formats/wireguard-settings.ts';
import { ConnectionError } from '@sallyport/shared/protocol/errors.ts';
import type { TunnelProviderProtocol } from '@sallyport/shared/protocol/configuration.ts';
import type { PacketTunnelNetworkSettings } from '@sallyport/shared/provider/network-settings.ts';
import { PacketTunnelProvider } from '@sallyport/shared/provider/packet-tunnel-provider.ts';
import type { WireGuardEvent, WireGuardTunnel } from '@sallyport/shared/provider/wireguard.ts';
import { formatEndpoint, nextAddress, reachable } from './endpoints.ts';
import { deviceSettings, networkSettings } from './settings.ts';

/** Pause between two tries to resolve a server's name, in milliseconds. */
const resolvePause = 2000;

type Peer = WireGuardProviderConfiguration['peers'][number];

/**
 * WireGuard as a provider like anybody's: it knows configurations, names and addresses; keys and packets stay in the
 * native device that `attachWireGuard` gives.
 *
 * The start resolves with the first handshake, so that "connected" means that a peer answered; a configuration
 * without any server address is up at once.
 */
export class WireGuardTunnelProvider extends PacketTunnelProvider {
  /** Starts since the helper process began; as static state it outlives the instances (contract L3). */
  static #startsInProcess = 0;
  #starts = 0;
  #configuration: WireGuardProviderConfiguration | null = null;
  #tunnel: WireGuardTunnel | null = null;
  #firstHandshake: (() => void) | null = null;
  /** Address in use by public key. */
  readonly #addresses = new Map<string, string>();
  readonly #resolving = new Set<string>();

  static expectedNetworkSettings(protocol: TunnelProviderProtocol): PacketTunnelNetworkSettings {
    return networkSettings(parse(protocol));
  }

  override async startTunnel(): Promise<void> {
    WireGuardTunnelProvider.#startsInProcess += 1;
    this.#starts += 1;
    const configuration = parse(this.protocolConfiguration);
    this.#configuration = configuration;
    const endpoints = await this.#resolveAll(configuration);
    const handshake = new Promise<void>((resolve) => {
      this.#firstHandshake = resolve;
    });
    const [tunnel] = await Promise.all([
      this.attachWireGuard(deviceSettings(configuration, endpoints)),
      this.setTunnelNetworkSettings(networkSettings(configuration)),
    ]);
    this.#tunnel = tunnel;
    tunnel.onEvent((event) => {
      this.#onEvent(event);
    });
    if (endpoints.size === 0 || tunnel.peers().some((peer) => peer.latestHandshake !== null)) return;
    await handshake;
  }

  override async stopTunnel(): Promise<void> {
    await this.#tunnel?.close();
    this.#tunnel = null;
  }

  /** Answers any message with facts of this run as JSON. */
  override handleAppMessage(): Promise<Uint8Array> {
    const facts = {
      startsInProcess: WireGuardTunnelProvider.#startsInProcess,
      startsOfInstance: this.#starts,
      addresses: Object.fromEntries(this.#addresses),
    };
    return Promise.resolve(new TextEncoder().encode(JSON.stringify(facts)));
  }

  override async configurationChanged(protocol: TunnelProviderProtocol): Promise<void> {
    if (this.#tunnel === null) return;
    const configuration = parse(protocol);
    this.#configuration = configuration;
    const endpoints = await this.#resolveAll(configuration);
    await this.#tunnel.configure(deviceSettings(configuration, endpoints));
    await this.setTunnelNetworkSettings(networkSettings(configuration));
  }

  #onEvent(event: WireGuardEvent): void {
    switch (event.kind) {
      case 'handshake':
        this.#firstHandshake?.();
        this.#firstHandshake = null;
        this.reasserting = false;
        break;
      case 'handshakeFailed':
        void this.#tryElsewhere(event.publicKey);
        break;
      case 'endpointChanged':
        this.log('info', 'The peer answers from another address.', { endpoint: event.endpoint });
        break;
      case 'failed':
        this.cancelTunnel(
          new ConnectionError('pluginFailed', `The WireGuard device failed: ${event.message}. Connect again.`),
        );
        break;
    }
  }

  /** Resolves a peer's name again and points the device at the next address (also of the other family). */
  async #tryElsewhere(publicKey: string): Promise<void> {
    const peer = this.#configuration?.peers.find((candidate) => candidate.publicKey === publicKey);
    if (peer?.endpoint == null || this.#resolving.has(publicKey)) return;
    const { host, port } = peer.endpoint;
    this.#resolving.add(publicKey);
    try {
      this.setStatusReason(`The server ${host} does not answer.`);
      this.reasserting = true;
      if (isIP(host) !== 0) return;
      const address = nextAddress(
        reachable(await this.resolveHost(host), this.path),
        this.#addresses.get(publicKey) ?? null,
      );
      if (this.signals.stopping.aborted || this.#tunnel === null) return;
      if (address !== this.#addresses.get(publicKey)) {
        this.#addresses.set(publicKey, address);
        this.log('notice', `The server ${host} does not answer; it is tried at another address.`, { address });
        this.#tunnel.setPeerEndpoint(publicKey, formatEndpoint(address, port));
      }
    } catch {
      this.setStatusReason(`The server name ${host} cannot be resolved.`);
    } finally {
      this.#resolving.delete(publicKey);
    }
  }

  /** Addresses of all servers; waits for names that cannot be resolved yet, until the start's own deadline. */
  async #resolveAll(configuration: WireGuardProviderConfiguration): Promise<Map<string, string>> {
    const endpoints = new Map<string, string>();
    await Promise.all(
      configuration.peers.map(async (peer) => {
        if (peer.endpoint === null) return;
        const address = await this.#resolveUntilStopped(peer);
        this.#addresses.set(peer.publicKey, address);
        endpoints.set(peer.publicKey, formatEndpoint(address, peer.endpoint.port));
      }),
    );
    return endpoints;
  }

  async #resolveUntilStopped(peer: Peer): Promise<string> {
    const host = peer.endpoint?.host ?? '';
    for (;;) {
      try {
        const addresses = reachable(await this.resolveHost(host), this.path);
        return nextAddress(addresses, null);
      } catch (error) {
        if (this.signals.stopping.aborted) throw error;
        this.setStatusReason(`The server name ${host} cannot be resolved yet.`);
        await pause(resolvePause, this.signals.stopping);
      }
    }
  }
}

function parse(protocol: TunnelProviderProtocol): WireGuardProviderConfiguration {
  const parsed = parseWireGuardProviderConfiguration(protocol.providerConfiguration);
  if (parsed.success) return parsed.data;
  throw new ConnectionError(
    'configurationFailed',
    `The tunnel's WireGuard configuration is invalid: ${parsed.error.issues[0]?.message ?? 'unknown'}. Import it again.`,
  );
}

/** Settles after a time, or at once when the signal aborts; leaves no timer behind. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end);
  });
}
