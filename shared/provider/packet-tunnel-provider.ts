import type { TunnelProviderProtocol } from '../protocol/configuration.ts';
import type { JsonObject } from '../protocol/json.ts';
import type { LogLevel } from '../protocol/log.ts';
import type { StopReason } from '../protocol/session.ts';
import type { ProviderKeychain } from './keychain.ts';
import type { NetworkPath } from './network-path.ts';
import type { PacketTunnelNetworkSettings } from './network-settings.ts';
import type { PacketFlow } from './packet-flow.ts';
import type { ProviderContext, ProviderSignals } from './provider-context.ts';
import type { WireGuardSettings, WireGuardTunnel } from './wireguard.ts';

let bind: (provider: PacketTunnelProvider, context: ProviderContext) => void;

/** Gives a new instance its context; the host calls it once, before anything else of the instance. */
export function bindProvider(provider: PacketTunnelProvider, context: ProviderContext): void {
  bind(provider, context);
}

/**
 * `NEPacketTunnelProvider`: extend it, and the system makes a new instance for each start of a tunnel.
 *
 * The life of an instance: constructed → `startTunnel` → any of `handleAppMessage`, `sleep`, `wake`, the change
 * callbacks → `stopTunnel` → released. Life-cycle callbacks never overlap, except that `stopTunnel` may come while
 * `startTunnel` is still waiting. Static fields live as long as the helper process; instance fields do not. The
 * constructor runs before the system is reachable: use its properties from `startTunnel` on.
 *
 * ```ts
 * export class MyTunnel extends PacketTunnelProvider {
 *   override async startTunnel() {
 *     await this.setTunnelNetworkSettings({ tunnelRemoteAddress: '192.0.2.1', ipv4: { addresses: ['10.0.0.2/24'] } });
 *   }
 *   override async stopTunnel() {}
 * }
 * ```
 */
export abstract class PacketTunnelProvider {
  #context: ProviderContext | null = null;

  static {
    bind = (provider, context) => {
      provider.#context = context;
    };
  }

  /**
   * Starts the tunnel. Resolve when packets can flow; reject to end the session with `connectionFailed`.
   *
   * @param options what the container app passed with its start; null for on-demand, boot and restart, so that a
   * provider must be able to start from its configuration alone
   */
  abstract startTunnel(options: JsonObject | null): Promise<void>;

  /** Tears the tunnel down. Called by the system only; may come while `startTunnel` is still waiting. */
  abstract stopTunnel(reason: StopReason): Promise<void>;

  /** The machine is about to sleep; sleep waits until this settles, within the system's limit. */
  async sleep(): Promise<void> {}

  /** The machine woke up. Interfaces may not be up yet: wait for connectivity rather than fail. */
  wake(): void | Promise<void> {}

  /**
   * Answers a message of the container app.
   *
   * @returns the answer, at most 512 KiB, or null for none
   */
  handleAppMessage(_message: Uint8Array): Promise<Uint8Array | null> {
    return Promise.resolve(null);
  }

  /** `protocolConfiguration` was saved anew while the tunnel runs. Nothing restarts by itself (contract M4). */
  configurationChanged(_configuration: TunnelProviderProtocol): void | Promise<void> {}

  /** The physical path changed. */
  pathChanged(_path: NetworkPath): void | Promise<void> {}

  /** The configuration as it is saved now. */
  get protocolConfiguration(): TunnelProviderProtocol {
    return this.#system.protocolConfiguration();
  }

  /** The physical path, never the tunnel itself. */
  get path(): NetworkPath {
    return this.#system.path();
  }

  get signals(): ProviderSignals {
    return this.#system.signals;
  }

  /** Exists when `startTunnel` is called; has no addresses and routes before settings are set. */
  get virtualInterface(): { readonly name: string; readonly index: number } {
    return this.#system.virtualInterface;
  }

  /** The packets of the virtual interface; fresh at every start. Not to be mixed with `attachWireGuard`. */
  get packetFlow(): PacketFlow {
    return this.#system.packetFlow;
  }

  /** Passwords that this provider keeps for itself, and the secrets that the configuration lists. */
  get keychain(): ProviderKeychain {
    return this.#system.keychain;
  }

  /** While connected, true shows the session as `reasserting` and false as `connected` again; else no effect. */
  get reasserting(): boolean {
    return this.#system.reasserting();
  }

  set reasserting(value: boolean) {
    this.#system.setReasserting(value);
  }

  /** Says in a sentence what the tunnel waits for, while it is connecting or reasserting. */
  setStatusReason(reason: string | null): void {
    this.#system.setStatusReason(reason);
  }

  /**
   * Makes the virtual interface, routes and DNS be exactly as described; null removes them.
   *
   * All or nothing: after an error everything is as before the call. Repeatable without clearing first.
   *
   * @throws {NetworkSettingsError} `networkSettingsInvalid`, `networkSettingsFailed`, or `networkSettingsCanceled`
   * when a later call or a stop overtook this one
   */
  setTunnelNetworkSettings(settings: PacketTunnelNetworkSettings | null): Promise<void> {
    return this.#system.setTunnelNetworkSettings(settings);
  }

  /**
   * Ends the session from the provider's side, once; the error becomes the last disconnect error.
   *
   * `stopTunnel('providerFailed')` follows. Has no effect during a stop.
   */
  cancelTunnel(error: unknown): void {
    this.#system.cancelTunnel(error);
  }

  /** Runs WireGuard natively on the virtual interface, keys by reference. One at a time. */
  attachWireGuard(settings: WireGuardSettings): Promise<WireGuardTunnel> {
    return this.#system.attachWireGuard(settings);
  }

  /**
   * Resolves a host name as the system does; an address literal is returned as it is.
   *
   * @throws {ConnectionError} `serverAddressResolutionFailed`
   */
  resolveHost(host: string): Promise<string[]> {
    return this.#system.resolveHost(host);
  }

  /** Pushes bytes to every connected client; at most 512 KiB. */
  sendProviderMessage(message: Uint8Array): void {
    this.#system.sendProviderMessage(message);
  }

  /** Asks connected clients to show a text; false when there is none. */
  displayMessage(text: string): Promise<boolean> {
    return this.#system.displayMessage(text);
  }

  /** Writes to the extension's log. Never pass a secret. */
  log(level: LogLevel, message: string, fields?: JsonObject): void {
    this.#system.log(level, message, fields);
  }

  get #system(): ProviderContext {
    if (this.#context === null) {
      throw new Error(
        'The provider has no system yet. Use its properties and methods from startTunnel on, not in the constructor.',
      );
    }
    return this.#context;
  }
}
