import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import {
  parseWireGuardProviderConfiguration,
  type WireGuardProviderConfiguration,
} from '@sallyport/shared/formats/wireguard-settings.ts';
import type { TunnelProviderProtocol } from '@sallyport/shared/provider/configuration.ts';
import { ConnectionError } from '@sallyport/shared/provider/errors.ts';
import type { PacketTunnelNetworkSettings } from '@sallyport/shared/provider/network-settings.ts';
import { PacketTunnelProvider } from '@sallyport/shared/provider/packet-tunnel-provider.ts';
import type {
  WireGuardEvent,
  WireGuardSettings,
  WireGuardTunnel,
} from '@sallyport/shared/provider/wireguard.ts';
import { formatEndpoint, keptAddress, nextAddress, reachable } from './endpoints.ts';
import { deviceSettings, networkSettings } from './settings.ts';

/** Pause between two tries to resolve a server's name, in milliseconds. */
const resolvePause = 2000;

type Endpoint = NonNullable<WireGuardProviderConfiguration['peers'][number]['endpoint']>;

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
  /** The newest saved configuration, and the one that device and network have. */
  #configuration: WireGuardProviderConfiguration | null = null;
  #applied: WireGuardProviderConfiguration | null = null;
  #isApplying = false;
  #tunnel: WireGuardTunnel | null = null;
  /** Resolved when a peer answered, or no peer has to. */
  readonly #answered = Promise.withResolvers<undefined>();
  /** Address in use by public key. */
  readonly #addresses = new Map<string, string>();
  /** Public keys of peers that were called and did not answer. */
  readonly #unanswered = new Set<string>();
  readonly #resolving = new Set<string>();

  static expectedNetworkSettings(protocol: TunnelProviderProtocol): PacketTunnelNetworkSettings {
    return networkSettings(parse(protocol));
  }

  override async startTunnel(): Promise<void> {
    WireGuardTunnelProvider.#startsInProcess += 1;
    this.#starts += 1;
    this.#configuration = parse(this.protocolConfiguration);
    await this.#apply();
    await this.#answered.promise;
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

  /**
   * Also while the tunnel still starts: a corrected server name helps it at once. One that is invalid changes nothing
   * under a running tunnel.
   */
  override async configurationChanged(protocol: TunnelProviderProtocol): Promise<void> {
    let configuration: WireGuardProviderConfiguration;
    try {
      configuration = parse(protocol);
    } catch (error) {
      this.log('warning', 'The saved configuration is invalid; the tunnel goes on with the one it has.', {
        error: error instanceof Error ? error.message : String(error),
      });
      return;
    }
    if (isDeepStrictEqual(configuration, this.#configuration)) return;
    this.#configuration = configuration;
    await this.#apply();
  }

  /** Brings device and network to the newest configuration. What is saved meanwhile is applied by the same call. */
  async #apply(): Promise<void> {
    if (this.#isApplying) return;
    this.#isApplying = true;
    try {
      while (this.#configuration !== null && this.#configuration !== this.#applied) {
        const configuration = this.#configuration;
        const endpoints = await this.#resolveAll(configuration);
        if (endpoints === null) continue;
        await this.#configure(configuration, endpoints);
        this.#applied = configuration;
        for (const key of this.#unanswered) if (!endpoints.has(key)) this.#hasAnswered(key);
        if (endpoints.size === 0) this.#answered.resolve(undefined);
      }
    } finally {
      this.#isApplying = false;
    }
  }

  async #configure(
    configuration: WireGuardProviderConfiguration,
    endpoints: ReadonlyMap<string, string>,
  ): Promise<void> {
    const device = deviceSettings(configuration, endpoints);
    const network = networkSettings(configuration);
    if (this.#tunnel === null) {
      await Promise.all([this.#attach(device), this.setTunnelNetworkSettings(network)]);
    } else {
      await this.#tunnel.configure(device);
      await this.setTunnelNetworkSettings(network);
    }
  }

  async #attach(settings: WireGuardSettings): Promise<void> {
    this.#tunnel = await this.attachWireGuard(settings);
    // At once, while the network is still being set: the device may answer, or fail, before that is done.
    this.#tunnel.onEvent((event) => {
      this.#onEvent(event);
    });
  }

  #onEvent(event: WireGuardEvent): void {
    switch (event.kind) {
      case 'handshake':
        this.#answered.resolve(undefined);
        this.#hasAnswered(event.publicKey);
        break;
      case 'handshakeFailed':
        void this.#tryElsewhere(event.publicKey);
        break;
      case 'endpointChanged':
        this.log('info', 'The peer answers from another address.', { endpoint: event.endpoint });
        break;
      case 'failed':
        this.cancelTunnel(
          new ConnectionError(
            'pluginFailed',
            `The WireGuard device failed: ${event.message}. Connect again.`,
          ),
        );
        break;
    }
  }

  #hasAnswered(publicKey: string): void {
    this.#unanswered.delete(publicKey);
    if (this.#unanswered.size === 0) this.reasserting = false;
  }

  /** Resolves a peer's name again and points the device at the next address (also of the other family). */
  async #tryElsewhere(publicKey: string): Promise<void> {
    const configuration = this.#configuration;
    const peer = configuration?.peers.find((candidate) => candidate.publicKey === publicKey);
    if (peer?.endpoint == null || this.#resolving.has(publicKey)) return;
    const { host, port } = peer.endpoint;
    this.#unanswered.add(publicKey);
    this.#resolving.add(publicKey);
    try {
      this.setStatusReason(`The server ${host} does not answer.`);
      this.reasserting = true;
      if (isIP(host) !== 0) return;
      const address = nextAddress(
        reachable(await this.resolveHost(host), this.path),
        this.#addresses.get(publicKey) ?? null,
      );
      // While it was resolved, the peer may have answered, or have been configured anew.
      const isStillWanted = this.#configuration === configuration && this.#unanswered.has(publicKey);
      if (this.#tunnel === null || !isStillWanted) return;
      if (address !== this.#addresses.get(publicKey)) {
        this.#addresses.set(publicKey, address);
        this.log('notice', `The server ${host} does not answer; it is tried at another address.`, {
          address,
        });
        this.#tunnel.setPeerEndpoint(publicKey, formatEndpoint(address, port));
      }
    } catch {
      this.setStatusReason(`The server name ${host} cannot be resolved.`);
    } finally {
      this.#resolving.delete(publicKey);
    }
  }

  /**
   * Addresses of all servers; waits for names that cannot be resolved yet, until the start's own deadline.
   *
   * @returns null when another configuration was saved meanwhile
   */
  async #resolveAll(configuration: WireGuardProviderConfiguration): Promise<Map<string, string> | null> {
    const endpoints = new Map<string, string>();
    await Promise.all(
      configuration.peers.map(async ({ endpoint, publicKey }) => {
        if (endpoint === null) return;
        const addresses = await this.#resolveUntilStopped(endpoint, configuration);
        if (addresses === null) return;
        const address = keptAddress(addresses, this.#addresses.get(publicKey) ?? null);
        this.#addresses.set(publicKey, address);
        endpoints.set(publicKey, formatEndpoint(address, endpoint.port));
      }),
    );
    return this.#configuration === configuration ? endpoints : null;
  }

  async #resolveUntilStopped(
    { host }: Endpoint,
    configuration: WireGuardProviderConfiguration,
  ): Promise<readonly string[] | null> {
    const reason = `The server name ${host} cannot be resolved yet.`;
    for (let hasFailed = false; this.#configuration === configuration; hasFailed = true) {
      try {
        const addresses = reachable(await this.resolveHost(host), this.path);
        if (hasFailed) this.setStatusReason(null);
        return addresses;
      } catch (error) {
        this.setStatusReason(reason);
        await pause(resolvePause, this.signals.stopping);
        if (this.signals.stopping.aborted) throw error;
      }
    }
    return null;
  }
}

function parse(protocol: TunnelProviderProtocol): WireGuardProviderConfiguration {
  const parsed = parseWireGuardProviderConfiguration(protocol.providerConfiguration);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`;
  throw new ConnectionError(
    'configurationFailed',
    `The tunnel's WireGuard configuration is invalid${where}: ${issue?.message.replace(/\.$/, '') ?? '?'}. Import it again.`,
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
    const timer = setTimeout(end, signal.aborted ? 0 : milliseconds);
    signal.addEventListener('abort', end);
  });
}
