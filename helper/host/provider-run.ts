import { ProviderError, ConnectionError, serializeError } from '@sallyport/shared/protocol/errors.ts';
import type { Configuration, TunnelProviderProtocol } from '@sallyport/shared/protocol/configuration.ts';
import type { JsonObject } from '@sallyport/shared/protocol/json.ts';
import { maximumProviderMessageBytes } from '@sallyport/shared/protocol/limits.ts';
import type { SessionStatistics, StopReason } from '@sallyport/shared/protocol/session.ts';
import type { NetworkPath } from '@sallyport/shared/provider/network-path.ts';
import {
  bindProvider,
  type PacketTunnelProvider,
} from '@sallyport/shared/provider/packet-tunnel-provider.ts';
import type { CategoryLog } from '../log/logger.ts';
import type { ItemStore } from '../keychain/item-store.ts';
import type { SecretStore } from '../keychain/secret-store.ts';
import type { LeakWatch } from './leak-watch.ts';
import type { ProviderRegistry, PacketTunnelProviderClass } from './provider-registry.ts';
import { runAsProvider, runAsSystem, type ProviderOwner } from './provider-scope.ts';
import { RunContext, type RunNetwork, type RunReports } from './run-context.ts';
import type { VirtualInterface, VirtualInterfaceFactory } from './virtual-interface.ts';

/** What every run of the helper shares. */
export interface ProviderHost {
  readonly registry: ProviderRegistry;
  readonly interfaces: VirtualInterfaceFactory;
  readonly secrets: Pick<SecretStore, 'path' | 'read'>;
  readonly items: ItemStore;
  readonly leaks: LeakWatch;
  readonly path: () => NetworkPath;
  readonly resolveHost: (host: string) => Promise<string[]>;
}

export interface ProviderRunOptions {
  readonly run: number;
  readonly configuration: Configuration;
  readonly interfaceName: string;
  readonly host: ProviderHost;
  /** Whether the configuration lists this secret; a run reaches no other. */
  readonly mayRead: (reference: string) => boolean;
  readonly network: RunNetwork;
  readonly reports: RunReports;
  readonly log: CategoryLog;
}

/** How long an instance's resources may take to end by themselves after its release, in milliseconds. */
const settlingTime = 50;

/**
 * One provider instance from its making to its release, and all that the system holds for it.
 *
 * Life-cycle callbacks run one after the other, except that `stop` may come during `start` (contract L12). After
 * `release` nothing here refers to the instance, so that it can be collected (contract L3).
 */
export class ProviderRun {
  readonly #options: ProviderRunOptions;
  readonly #owner: ProviderOwner;
  readonly #context: RunContext;
  readonly #device: VirtualInterface;
  readonly #deactivate: () => void;
  #provider: PacketTunnelProvider | null;
  #isStopping = false;
  #turn: Promise<void> = Promise.resolve();

  /**
   * Makes the virtual interface and a new instance of the provider class.
   *
   * @throws {ConnectionError} `pluginDisabled` when the class is not there, `pluginFailed` when its constructor or
   * the device failed
   */
  constructor(options: ProviderRunOptions) {
    const { configuration, host, run, log } = options;
    const identifier = configuration.protocolConfiguration.providerBundleIdentifier;
    const providerClass = host.registry.find(identifier);
    if (providerClass === null) throw providerMissing(identifier);
    this.#options = options;
    this.#owner = {
      run,
      configurationId: configuration.id,
      identifier,
      fault: (error) => {
        options.reports.canceled(error);
      },
    };
    this.#device = host.interfaces.open(options.interfaceName);
    try {
      host.leaks.watch(this.#owner);
      this.#context = new RunContext({
        configuration,
        device: this.#device,
        secrets: {
          path: (reference) => this.#listed(reference, (secrets) => secrets.path(reference)),
          read: (reference) => this.#listed(reference, (secrets) => secrets.read(reference)),
        },
        items: host.items.of(identifier),
        network: options.network,
        reports: options.reports,
        path: host.path,
        resolveHost: host.resolveHost,
        log,
        call: (callback) => {
          this.#guarded(callback);
        },
      });
      this.#provider = this.#construct(providerClass);
    } catch (error) {
      this.#device.close();
      host.leaks.unwatch(this.#owner);
      throw error;
    }
    this.#deactivate = host.registry.activate(identifier);
  }

  get virtualInterface(): { readonly name: string; readonly index: number } {
    return { name: this.#device.name, index: this.#device.index };
  }

  start(options: JsonObject | null): Promise<void> {
    return this.#callback((provider) => provider.startTunnel(options));
  }

  /** Fires `signals.stopping`, closes what a late start might still use, then calls `stopTunnel`. */
  stop(reason: StopReason): Promise<void> {
    this.#signalStopping();
    return this.#callback((provider) => provider.stopTunnel(reason));
  }

  configurationChanged(configuration: TunnelProviderProtocol): void {
    // Given to another provider, it is that one's from the next start on.
    if (this.#isStopping || configuration.providerBundleIdentifier !== this.#owner.identifier) return;
    this.#context.replaceConfiguration(configuration);
    this.#notify((provider) => provider.configurationChanged(configuration));
  }

  pathChanged(path: NetworkPath): void {
    if (this.#isStopping) return;
    this.#notify((provider) => provider.pathChanged(path));
  }

  /** `sleep`, awaited, in its turn among the life-cycle callbacks. */
  sleep(): Promise<void> {
    return this.#inTurn((provider) => provider.sleep());
  }

  /** `wake`, after a `sleep` that is still running. */
  wake(): Promise<void> {
    return this.#inTurn(async (provider) => {
      await provider.wake();
    });
  }

  /**
   * `handleAppMessage`.
   *
   * @throws {ProviderError} `providerThrew`, `tooLarge` (the answer), `sessionNotRunning`
   */
  async handleAppMessage(message: Uint8Array): Promise<Uint8Array | null> {
    let reply: unknown;
    try {
      reply = await this.#callback((provider) => provider.handleAppMessage(message));
    } catch (error) {
      if (error instanceof ProviderError && error.code === 'sessionNotRunning') throw error;
      throw new ProviderError(
        'providerThrew',
        `The tunnel could not answer: ${serializeError(error).message}`,
        {
          cause: error,
        },
      );
    }
    if (reply === null || reply === undefined) return null;
    if (!(reply instanceof Uint8Array)) {
      throw new ProviderError('providerThrew', 'The tunnel answered with something that is not bytes.');
    }
    if (reply.byteLength > maximumProviderMessageBytes) {
      throw new ProviderError(
        'tooLarge',
        `The tunnel's answer has ${String(reply.byteLength)} bytes; at most ${String(maximumProviderMessageBytes)} are allowed.`,
      );
    }
    return reply;
  }

  statistics(): SessionStatistics {
    return this.#context.statistics();
  }

  /** Fires `signals.released`, undoes everything of the run, and warns of what the instance left running. */
  async release(): Promise<void> {
    const { host, log, run, network } = this.#options;
    this.#signalStopping();
    this.#guarded(() => {
      this.#context.released();
    });
    this.#provider = null;
    // Whatever fails, the rest is undone: a device that cannot be stopped must not leave its routes behind.
    const undoings: readonly (() => void | Promise<void>)[] = [
      () => this.#context.close(),
      () => network.clear(),
      () => {
        this.#device.close();
      },
    ];
    for (const undo of undoings) {
      try {
        await undo();
      } catch (error) {
        log('error', 'A part of the session could not be released.', {
          run,
          error: serializeError(error).message,
        });
      }
    }
    this.#deactivate();
    runAsSystem(() => {
      setTimeout(() => {
        const alive = Object.entries(host.leaks.alive(this.#owner));
        host.leaks.unwatch(this.#owner);
        if (alive.length === 0) return;
        const list = alive.map(([kind, count]) => `${String(count)} × ${kind}`).join(', ');
        log('warning', `The provider ${this.#owner.identifier} left running after its release: ${list}.`, {
          identifier: this.#owner.identifier,
          run,
          alive: Object.fromEntries(alive),
        });
      }, settlingTime).unref();
    });
  }

  #listed<T>(reference: string, use: (secrets: ProviderHost['secrets']) => Promise<T>): Promise<T> {
    const { host, mayRead } = this.#options;
    if (mayRead(reference)) return use(host.secrets);
    return Promise.reject(
      new ProviderError(
        'secretNotFound',
        `The configuration does not list the secret ${reference}. Import it again.`,
      ),
    );
  }

  #signalStopping(): void {
    this.#isStopping = true;
    this.#guarded(() => {
      this.#context.stopping();
    });
  }

  #construct(providerClass: PacketTunnelProviderClass): PacketTunnelProvider {
    try {
      const provider = runAsProvider(this.#owner, () => new providerClass());
      bindProvider(provider, this.#context);
      return provider;
    } catch (error) {
      throw new ConnectionError('pluginFailed', `The provider ${this.#owner.identifier} could not be made.`, {
        cause: error,
      });
    }
  }

  async #callback<T>(call: (provider: PacketTunnelProvider) => T | Promise<T>): Promise<T> {
    const provider = this.#provider;
    if (provider === null) {
      throw new ProviderError('sessionNotRunning', 'The tunnel is not running. Connect it first.');
    }
    return await runAsProvider(this.#owner, async () => await call(provider));
  }

  #inTurn(call: (provider: PacketTunnelProvider) => Promise<void>): Promise<void> {
    const result = this.#turn.then(async () => {
      if (!this.#isStopping) await this.#callback(call);
    });
    this.#turn = result.catch((error: unknown) => {
      this.#options.reports.canceled(error);
    });
    return this.#turn;
  }

  #notify(call: (provider: PacketTunnelProvider) => void | Promise<void>): void {
    this.#callback(call).catch((error: unknown) => {
      this.#options.reports.canceled(error);
    });
  }

  #guarded(callback: () => void): void {
    if (this.#provider === null) return;
    try {
      runAsProvider(this.#owner, callback);
    } catch (error) {
      this.#options.reports.canceled(error);
    }
  }
}

/** @returns the error for a provider class that this extension does not have (contract M6) */
export function providerMissing(identifier: string): ConnectionError {
  return new ConnectionError(
    'pluginDisabled',
    `The active extension has no provider ${identifier}. Activate the extension that brings it, or remove the tunnel.`,
  );
}
