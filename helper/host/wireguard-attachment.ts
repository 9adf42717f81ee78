import { ProviderError } from '@sallyport/shared/protocol/errors.ts';
import type { PeerStatistics, SessionStatistics } from '@sallyport/shared/protocol/session.ts';
import {
  wireGuardSettingsSchema,
  type ResolvedWireGuardSettings,
  type WireGuardEvent,
  type WireGuardSettings,
  type WireGuardTunnel,
} from '@sallyport/shared/provider/wireguard.ts';
import type { SecretStore } from '../keychain/secret-store.ts';
import type { DeviceConfiguration, VirtualInterface, WireGuardEngine } from './virtual-interface.ts';

export interface WireGuardAttachmentOptions {
  readonly device: VirtualInterface;
  readonly secrets: Pick<SecretStore, 'path'>;
  readonly fwmark: number;
  /** Bytes the interface carries now. */
  readonly mtu: () => number;
  /** Runs a provider's listener in the provider's scope, so that what it throws has an owner. */
  readonly call: (listener: () => void) => void;
}

/** `attachWireGuard`: a native device that takes its keys from the secret store by itself. */
export class WireGuardAttachment implements WireGuardTunnel {
  readonly #options: WireGuardAttachmentOptions;
  readonly #listeners: ((event: WireGuardEvent) => void)[] = [];
  #engine: WireGuardEngine | null;
  #lastStatistics: SessionStatistics | null = null;

  private constructor(options: WireGuardAttachmentOptions, configuration: DeviceConfiguration) {
    this.#options = options;
    this.#engine = options.device.startWireGuard(configuration, (event) => {
      this.#emit(event);
    });
  }

  /**
   * Checks the settings and finds the keys; what it returns starts the device at once, in one step with whatever the
   * caller has to check first.
   *
   * @throws {ProviderError} `deviceFailed`, `secretNotFound`
   */
  static async prepare(
    options: WireGuardAttachmentOptions,
    settings: WireGuardSettings,
  ): Promise<() => WireGuardAttachment> {
    const configuration = await deviceConfiguration(options, settings);
    return () => new WireGuardAttachment(options, configuration);
  }

  async configure(settings: WireGuardSettings): Promise<void> {
    const configuration = await deviceConfiguration(this.#options, settings);
    this.#running.configure(configuration);
  }

  setPeerEndpoint(publicKey: string, endpoint: string): void {
    this.#running.setPeerEndpoint(publicKey, endpoint);
  }

  roam(): void {
    this.#running.roam();
  }

  /** As they are now, or as they were when the device was closed. */
  statistics(): SessionStatistics {
    return this.#lastStatistics ?? this.#running.statistics();
  }

  peers(): readonly PeerStatistics[] {
    return this.statistics().peers;
  }

  get isClosed(): boolean {
    return this.#engine === null;
  }

  onEvent(listener: (event: WireGuardEvent) => void): void {
    this.#listeners.push(listener);
  }

  close(): Promise<void> {
    const engine = this.#engine;
    this.#engine = null;
    this.#listeners.length = 0;
    return new Promise((resolve) => {
      try {
        this.#lastStatistics = engine?.statistics() ?? this.#lastStatistics;
      } finally {
        engine?.stop();
      }
      resolve();
    });
  }

  #emit(event: WireGuardEvent): void {
    if (this.#engine === null) return;
    for (const listener of this.#listeners) {
      this.#options.call(() => {
        listener(event);
      });
    }
  }

  get #running(): WireGuardEngine {
    if (this.#engine === null) {
      throw new ProviderError('stopped', 'The WireGuard device was closed. Attach a new one.');
    }
    return this.#engine;
  }
}

async function deviceConfiguration(
  { secrets, fwmark, mtu }: WireGuardAttachmentOptions,
  settings: WireGuardSettings,
): Promise<DeviceConfiguration> {
  const parsed = wireGuardSettingsSchema.safeParse(settings);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new ProviderError(
      'deviceFailed',
      `The WireGuard settings are invalid at ${issue?.path.join('.') ?? '?'}: ${issue?.message ?? '?'}`,
    );
  }
  const valid: ResolvedWireGuardSettings = parsed.data;
  return {
    privateKeyFile: await secrets.path(valid.privateKeyReference),
    ...(valid.listenPort === null ? {} : { listenPort: valid.listenPort }),
    fwmark: valid.fwmark ?? fwmark,
    mtu: mtu(),
    peers: await Promise.all(
      valid.peers.map(async (peer) => ({
        publicKey: peer.publicKey,
        allowedIps: peer.allowedIPs,
        ...(peer.presharedKeyReference === null
          ? {}
          : { presharedKeyFile: await secrets.path(peer.presharedKeyReference) }),
        ...(peer.endpoint === null ? {} : { endpoint: peer.endpoint }),
        ...(peer.persistentKeepalive === null ? {} : { persistentKeepalive: peer.persistentKeepalive }),
      })),
    ),
  };
}
