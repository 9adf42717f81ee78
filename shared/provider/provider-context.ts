import type { TunnelProviderProtocol } from '../protocol/configuration.ts';
import type { JsonObject } from '../protocol/json.ts';
import type { LogLevel } from '../protocol/log.ts';
import type { ProviderKeychain } from './keychain.ts';
import type { NetworkPath } from './network-path.ts';
import type { PacketTunnelNetworkSettings } from './network-settings.ts';
import type { PacketFlow } from './packet-flow.ts';
import type { WireGuardSettings, WireGuardTunnel } from './wireguard.ts';

/** The signals that tell an instance how far its end has come (contract L5). */
export interface ProviderSignals {
  /** Aborts when a stop is asked, before `stopTunnel` is called. */
  readonly stopping: AbortSignal;
  /** Aborts once `stopTunnel` settled or its deadline passed; nothing of the instance may go on after it. */
  readonly released: AbortSignal;
}

/** What the system gives one provider instance; the base classes turn it into their methods and properties. */
export interface ProviderContext {
  readonly configurationId: string;
  readonly signals: ProviderSignals;
  readonly virtualInterface: { readonly name: string; readonly index: number };
  readonly packetFlow: PacketFlow;
  readonly keychain: ProviderKeychain;
  protocolConfiguration(): TunnelProviderProtocol;
  path(): NetworkPath;
  reasserting(): boolean;
  setReasserting(value: boolean): void;
  setStatusReason(reason: string | null): void;
  setTunnelNetworkSettings(settings: PacketTunnelNetworkSettings | null): Promise<void>;
  cancelTunnel(error: unknown): void;
  attachWireGuard(settings: WireGuardSettings): Promise<WireGuardTunnel>;
  /** Resolves a host name outside the tunnel to addresses, IPv6 and IPv4 as the path supports them. */
  resolveHost(host: string): Promise<string[]>;
  sendProviderMessage(message: Uint8Array): void;
  displayMessage(text: string): Promise<boolean>;
  log(level: LogLevel, message: string, fields?: JsonObject): void;
}
