import { NetworkSettingsError, ProviderError } from '@sallyport/shared/protocol/errors.ts';
import type { Configuration, TunnelProviderProtocol } from '@sallyport/shared/protocol/configuration.ts';
import type { JsonObject } from '@sallyport/shared/protocol/json.ts';
import { maximumProviderMessageBytes } from '@sallyport/shared/protocol/limits.ts';
import type { LogLevel } from '@sallyport/shared/protocol/log.ts';
import type { SessionStatistics } from '@sallyport/shared/protocol/session.ts';
import {
  packetTunnelNetworkSettingsSchema,
  type PacketTunnelNetworkSettings,
  type ResolvedNetworkSettings,
} from '@sallyport/shared/provider/network-settings.ts';
import type { PasswordItems, ProviderKeychain } from '@sallyport/shared/provider/keychain.ts';
import type { NetworkPath } from '@sallyport/shared/provider/network-path.ts';
import type { PacketFlow } from '@sallyport/shared/provider/packet-flow.ts';
import type { ProviderContext } from '@sallyport/shared/provider/provider-context.ts';
import type { WireGuardSettings, WireGuardTunnel } from '@sallyport/shared/provider/wireguard.ts';
import type { CategoryLog } from '../log/logger.ts';
import { RunKeychain } from '../keychain/run-keychain.ts';
import type { SecretStore } from '../keychain/secret-store.ts';
import { HostPacketFlow } from './packet-flow.ts';
import { runAsSystem } from './provider-scope.ts';
import type { VirtualInterface } from './virtual-interface.ts';
import { WireGuardAttachment } from './wireguard-attachment.ts';

/** What a provider's actions become for the session. */
export interface RunReports {
  canceled(error: unknown): void;
  reasserting(value: boolean): void;
  statusReason(text: string | null): void;
  providerMessage(message: Uint8Array): void;
  displayMessage(text: string): Promise<boolean>;
}

/** The run's share of the system's network. */
export interface RunNetwork {
  /** Mark of the tunnel's own packets. */
  readonly fwmark: number;
  /** MTU of the interface as it is now or will be without settings. */
  mtu(): number;
  /** @throws {NetworkSettingsError} */
  apply(
    device: { readonly name: string; readonly index: number },
    settings: ResolvedNetworkSettings | null,
  ): Promise<void>;
  /** Undoes all; never throws. */
  clear(): Promise<void>;
}

export interface RunContextOptions {
  readonly configuration: Configuration;
  readonly device: VirtualInterface;
  /** Reach only what the configuration lists. */
  readonly secrets: Pick<SecretStore, 'path' | 'read'>;
  /** What the provider keeps for itself. */
  readonly items: PasswordItems;
  readonly network: RunNetwork;
  readonly reports: RunReports;
  readonly path: () => NetworkPath;
  readonly resolveHost: (host: string) => Promise<string[]>;
  readonly log: CategoryLog;
  /** Runs a listener of the provider in its scope. */
  readonly call: (callback: () => void) => void;
}

/** The system as one provider instance sees it; closed step by step as the instance ends. */
export class RunContext implements ProviderContext {
  readonly configurationId: string;
  readonly packetFlow: PacketFlow;
  readonly keychain: ProviderKeychain;
  readonly virtualInterface: { readonly name: string; readonly index: number };
  readonly signals: { readonly stopping: AbortSignal; readonly released: AbortSignal };

  readonly #options: RunContextOptions;
  readonly #flow: HostPacketFlow;
  readonly #stopping = new AbortController();
  readonly #released = new AbortController();
  #configuration: TunnelProviderProtocol;
  #wireGuard: WireGuardAttachment | null = null;
  #isReasserting = false;

  constructor(options: RunContextOptions) {
    this.#options = options;
    this.configurationId = options.configuration.id;
    this.virtualInterface = { name: options.device.name, index: options.device.index };
    this.signals = { stopping: this.#stopping.signal, released: this.#released.signal };
    this.#configuration = options.configuration.protocolConfiguration;
    this.#flow = new HostPacketFlow(options.device, (message) => {
      options.reports.canceled(
        new ProviderError('deviceFailed', `The virtual interface is gone: ${message}`),
      );
    });
    this.packetFlow = this.#flow;
    this.keychain = new RunKeychain({
      items: options.items,
      secrets: options.secrets,
      isReleased: () => this.#released.signal.aborted,
      outside: runAsSystem,
    });
  }

  protocolConfiguration(): TunnelProviderProtocol {
    return this.#configuration;
  }

  replaceConfiguration(configuration: TunnelProviderProtocol): void {
    this.#configuration = configuration;
  }

  path(): NetworkPath {
    return this.#options.path();
  }

  reasserting(): boolean {
    return this.#isReasserting;
  }

  setReasserting(value: boolean): void {
    if (this.#isStopping) return;
    this.#isReasserting = value;
    this.#options.reports.reasserting(value);
  }

  setStatusReason(reason: string | null): void {
    if (!this.#isStopping) this.#options.reports.statusReason(reason?.slice(0, 500) ?? null);
  }

  async setTunnelNetworkSettings(settings: PacketTunnelNetworkSettings | null): Promise<void> {
    this.#refuseSettingsAfterStop();
    let valid: ResolvedNetworkSettings | null = null;
    if (settings !== null) {
      const parsed = packetTunnelNetworkSettingsSchema.safeParse(settings);
      if (!parsed.success) {
        const issue = parsed.error.issues[0];
        throw new NetworkSettingsError(
          'networkSettingsInvalid',
          `The tunnel's network settings are invalid at ${issue?.path.join('.') ?? '?'}: ${issue?.message ?? '?'}`,
        );
      }
      valid = parsed.data;
    }
    await runAsSystem(() => this.#options.network.apply(this.virtualInterface, valid));
    this.#refuseSettingsAfterStop();
  }

  cancelTunnel(error: unknown): void {
    if (!this.#isStopping) this.#options.reports.canceled(error ?? null);
  }

  async attachWireGuard(settings: WireGuardSettings): Promise<WireGuardTunnel> {
    const { device, secrets, network, call } = this.#options;
    this.#refuseDevice();
    const start = await runAsSystem(() =>
      WireGuardAttachment.prepare(
        { device, secrets, fwmark: network.fwmark, mtu: () => network.mtu(), call },
        settings,
      ),
    );
    this.#refuseDevice();
    this.#wireGuard = runAsSystem(start);
    return this.#wireGuard;
  }

  resolveHost(host: string): Promise<string[]> {
    return runAsSystem(() => this.#options.resolveHost(host));
  }

  sendProviderMessage(message: Uint8Array): void {
    this.#refuseAfterStop();
    if (message.byteLength > maximumProviderMessageBytes) {
      throw new ProviderError(
        'tooLarge',
        `The message has ${String(message.byteLength)} bytes; at most ${String(maximumProviderMessageBytes)} are allowed.`,
      );
    }
    this.#options.reports.providerMessage(message);
  }

  displayMessage(text: string): Promise<boolean> {
    if (this.#isStopping) return Promise.resolve(false);
    return this.#options.reports.displayMessage(text.slice(0, 1000));
  }

  log(level: LogLevel, message: string, fields?: JsonObject): void {
    this.#options.log(level, message, fields);
  }

  statistics(): SessionStatistics {
    if (this.#wireGuard !== null) return this.#wireGuard.statistics();
    const counters = this.#flow.counters();
    return {
      receivedBytes: counters?.writtenBytes ?? 0,
      sentBytes: counters?.readBytes ?? 0,
      malformedPackets: counters?.malformed ?? 0,
      droppedPackets: counters?.dropped ?? 0,
      peers: [],
    };
  }

  /** A stop was asked: nothing new may begin, what waits for packets ends. */
  stopping(): void {
    this.#stopping.abort();
    this.#flow.stop();
  }

  released(): void {
    this.#released.abort();
  }

  async close(): Promise<void> {
    this.#flow.stop();
    await this.#wireGuard?.close();
    this.#wireGuard = null;
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  #refuseSettingsAfterStop(): void {
    if (!this.#isStopping) return;
    throw new NetworkSettingsError(
      'networkSettingsCanceled',
      'The tunnel was stopped before its network settings took effect.',
    );
  }

  #refuseDevice(): void {
    this.#refuseAfterStop();
    if (this.#wireGuard?.isClosed === false) {
      throw new ProviderError(
        'deviceFailed',
        'A WireGuard device is attached already. Use its configure, or close it.',
      );
    }
  }

  #refuseAfterStop(): void {
    if (this.#isStopping) {
      throw new ProviderError('stopped', 'The tunnel is stopping; nothing new can begin in this instance.');
    }
  }
}
