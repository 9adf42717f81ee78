import {
  ConnectionError,
  EndpointError,
  NetworkSettingsError,
  ProviderError,
  VPNError,
} from '@sallyport/shared/protocol/errors.ts';
import type { Configuration, TunnelProviderProtocol } from '@sallyport/shared/protocol/configuration.ts';
import type { JsonObject } from '@sallyport/shared/protocol/json.ts';
import {
  maximumProviderMessageBytes,
  maximumProviderMessagesInFlight,
} from '@sallyport/shared/protocol/limits.ts';
import type {
  SessionEnd,
  SessionSnapshot,
  SessionStatistics,
  StopReason,
} from '@sallyport/shared/protocol/session.ts';
import { packetTunnelNetworkSettingsSchema } from '@sallyport/shared/provider/network-settings.ts';
import type { NetworkPath } from '@sallyport/shared/provider/network-path.ts';
import { describeRegistration, type PacketTunnelProviderClass } from '../host/provider-registry.ts';
import { providerMissing, ProviderRun, type ProviderHost } from '../host/provider-run.ts';
import { runAsProvider } from '../host/provider-scope.ts';
import type { RunNetwork, RunReports } from '../host/run-context.ts';
import type { Logger } from '../log/logger.ts';
import { routeClaims } from '../network/route-claims.ts';
import { RouteClaims } from './route-claims.ts';
import type { EndStore } from './end-store.ts';
import { withDeadline } from './with-deadline.ts';
import { Session } from './session.ts';
import type { ConfigurationFacts } from './state.ts';
import { unknownConfiguration } from '../configurations/configuration-store.ts';

/** Whether somebody may use a configuration, and so stop its session. */
export type MayUse = (configuration: Configuration) => boolean;

/** What becomes of a session for the outside. */
export interface SessionObserver {
  sessionChanged(session: SessionSnapshot): void;
  providerMessage(id: string, message: Uint8Array): void;
  /** @returns whether some client could show it */
  displayMessage(id: string, text: string): boolean;
}

export interface SessionManagerOptions {
  readonly configurations: { list(): Configuration[]; get(id: string): Configuration | null };
  readonly host: ProviderHost;
  /** Share of the system's network for a run; a new one for each. */
  readonly network: (configurationId: string, run: number) => RunNetwork;
  readonly interfaceName: (configurationId: string) => string;
  readonly deadlines: { readonly start: number; readonly stop: number };
  readonly ends: EndStore;
  readonly observer: SessionObserver;
  readonly logger: Logger;
  readonly now?: () => number;
}

/** One session a configuration, and what concerns several of them: conflicts of routes, ends, the shutdown. */
export class SessionManager {
  readonly #options: SessionManagerOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #claims = new RouteClaims();
  /** By configuration, what whoever started it last may use. */
  readonly #starters = new Map<string, MayUse>();
  /** Messages that each provider instance is working on and somebody waits for. */
  readonly #messages = new WeakMap<ProviderRun, number>();
  #lastRun = 0;
  #isStopping = false;

  constructor(options: SessionManagerOptions) {
    this.#options = options;
    for (const configuration of options.configurations.list()) this.#add(configuration);
  }

  snapshots(): SessionSnapshot[] {
    return [...this.#sessions.values()].map((session) => session.snapshot);
  }

  /**
   * Begins a session; a start of one that runs changes nothing.
   *
   * @param mayUse whether whoever starts it may use another configuration: only those are named, and stopped for it
   * @throws {VPNError} `configurationUnknown`, `configurationDisabled`, `connectionFailed` while everything stops
   * @throws {ConnectionError} `pluginDisabled`
   * @throws {EndpointError} `sessionConflict` when others hold its routes and the client did not agree to stop them
   */
  start(id: string, options: JsonObject | null, supersede: boolean, mayUse: MayUse = () => true): void {
    if (this.#isStopping) {
      throw new VPNError('connectionFailed', 'The extension is stopping. Connect again once it runs.');
    }
    const session = this.#session(id);
    const configuration = this.#configuration(id);
    const { name, isEnabled, protocolConfiguration } = configuration;
    if (!isEnabled) {
      throw new VPNError('configurationDisabled', `“${name}” is disabled. Enable it first.`);
    }
    const identifier = protocolConfiguration.providerBundleIdentifier;
    const providerClass = this.#options.host.registry.find(identifier);
    this.#logRegistrations(configuration);
    if (providerClass === null) throw providerMissing(identifier);
    const expected = expectedClaims(providerClass, id, protocolConfiguration);
    const rivals = this.#rivals(id, expected);
    const conflict = this.#conflict(name, rivals, supersede, mayUse, mayUse);
    if (conflict !== null) throw conflict;
    // A start of one that runs changes nothing, so neither whom it may stop.
    if (!session.isRunning || session.isEnding) this.#starters.set(id, mayUse);
    session.start({ options, supersede });
  }

  stop(id: string, reason: StopReason = 'userInitiated'): void {
    this.#session(id).stop({ reason, error: null });
  }

  statistics(id: string): SessionStatistics | null {
    return this.#session(id).statistics();
  }

  lastEnd(id: string): SessionEnd | null {
    return this.#session(id).snapshot.lastEnd;
  }

  /**
   * Hands a message to the running provider (contract E7).
   *
   * Messages reach it in the order of the calls; it may work on several at once, and answer them in any order. An
   * answer that comes after the deadline, or that nobody wants any more, is dropped.
   *
   * @param timeout milliseconds
   * @param signal takes the message back as far as that is possible; rejects with its reason
   * @throws {ProviderError} `sessionNotRunning`, `tooLarge`, `timedOut`, `providerThrew`
   * @throws {EndpointError} `tooManyRequests`
   */
  async sendProviderMessage(
    id: string,
    message: Uint8Array,
    timeout: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array | null> {
    const { provider } = this.#session(id);
    const { name } = this.#configuration(id);
    signal?.throwIfAborted();
    if (message.byteLength > maximumProviderMessageBytes) {
      throw new ProviderError(
        'tooLarge',
        `The message has ${String(message.byteLength)} bytes; at most ${String(maximumProviderMessageBytes)} are allowed.`,
      );
    }
    if (provider === null) {
      throw new ProviderError('sessionNotRunning', `“${name}” is not running. Connect it first.`);
    }
    const inFlight = this.#messages.get(provider) ?? 0;
    if (inFlight >= maximumProviderMessagesInFlight) {
      throw new EndpointError(
        'tooManyRequests',
        `“${name}” is working on ${String(inFlight)} messages already. Send again once one is answered.`,
        { details: { retryAfter: 200 } },
      );
    }
    this.#messages.set(provider, inFlight + 1);
    try {
      return await withDeadline(provider.handleAppMessage(message), timeout, signal, () => {
        return new ProviderError('timedOut', `“${name}” did not answer within ${String(timeout)} ms.`);
      });
    } finally {
      this.#messages.set(provider, (this.#messages.get(provider) ?? 1) - 1);
    }
  }

  configurationSaved(configuration: Configuration): void {
    const session = this.#sessions.get(configuration.id);
    if (session === undefined) {
      const added = this.#add(configuration);
      this.#options.observer.sessionChanged(added.snapshot);
      return;
    }
    session.configurationSaved(configuration, this.#facts(configuration));
  }

  /** Stops the session with `configurationRemoved` and settles once nothing of it is left (contract M6). */
  async configurationRemoved(id: string): Promise<void> {
    const session = this.#session(id);
    session.configurationRemoved();
    await session.whenIdle();
  }

  pathChanged(path: NetworkPath): void {
    for (const session of this.#sessions.values()) session.pathChanged(path);
  }

  /** Stops everything for good, and starts nothing any more; settles once nothing is left. */
  async stopAll(reason: StopReason): Promise<void> {
    this.#isStopping = true;
    await Promise.all(
      [...this.#sessions.values()].map(async (session) => {
        session.stop({ reason, error: null });
        await session.whenIdle();
      }),
    );
  }

  #add(configuration: Configuration): Session {
    const { id } = configuration;
    const { deadlines, ends, observer, logger, now = Date.now } = this.#options;
    const session: Session = new Session(id, this.#facts(configuration), ends.get(id), {
      deadlines,
      log: logger.child('sessions', id),
      now,
      nextRun: () => this.#lastRun + 1,
      prepare: (run, supersede, reports) => this.#prepare(id, run, supersede, reports),
      changed: (snapshot) => {
        observer.sessionChanged(snapshot);
      },
      recordEnd: (end) => {
        this.#claims.release(id);
        ends.set(id, end);
      },
      forget: () => {
        ends.remove(id);
        this.#starters.delete(id);
        this.#sessions.delete(id);
      },
      providerMessage: (message) => {
        observer.providerMessage(id, message);
      },
      displayMessage: (text) => Promise.resolve(observer.displayMessage(id, text)),
    });
    this.#sessions.set(id, session);
    return session;
  }

  async #prepare(id: string, run: number, supersede: boolean, reports: RunReports): Promise<ProviderRun> {
    this.#lastRun = run;
    const { host, network, interfaceName, logger } = this.#options;
    const configuration = this.#configuration(id);
    const identifier = configuration.protocolConfiguration.providerBundleIdentifier;
    const expected = expectedClaims(host.registry.find(identifier), id, configuration.protocolConfiguration);
    await this.#claim(configuration, expected, supersede);
    const share = network(id, run);
    return new ProviderRun({
      run,
      configuration,
      interfaceName: interfaceName(id),
      host,
      mayRead: (reference) => {
        const stored = this.#options.configurations.get(id);
        // Secrets of a configuration that was given to another provider are that one's.
        return (
          stored?.protocolConfiguration.providerBundleIdentifier === identifier &&
          stored.secretReferences.includes(reference)
        );
      },
      reports,
      log: logger.child('provider', id),
      network: {
        fwmark: share.fwmark,
        mtu: () => share.mtu(),
        clear: () => share.clear(),
        apply: async (device, settings) => {
          await this.#claim(configuration, settings === null ? [] : routeClaims(settings), supersede);
          await share.apply(device, settings);
        },
      },
    });
  }

  /** Takes routes for a session, stopping their holders first if the client agreed (contract M3). */
  async #claim(configuration: Configuration, routes: readonly string[], supersede: boolean): Promise<void> {
    const { id, name } = configuration;
    const rivals = this.#rivals(id, routes);
    const mayUse = this.#starters.get(id) ?? (() => false);
    // This one is kept with the session's end, so it names only what all who can read that may see.
    const conflict = this.#conflict(name, rivals, supersede, mayUse, (other) =>
      isAsPublic(other, configuration),
    );
    if (conflict !== null) {
      throw new NetworkSettingsError('networkSettingsFailed', conflict.message, { cause: conflict });
    }
    this.#claims.take(id, routes);
    await Promise.all(
      rivals.map(async (rival) => {
        rival.stop({ reason: 'superceded', error: null });
        await rival.whenIdle();
      }),
    );
  }

  #rivals(id: string, routes: readonly string[]): Session[] {
    return this.#claims
      .holders(id, routes)
      .map((holder) => this.#sessions.get(holder))
      .filter((session) => session !== undefined)
      .filter((session) => session.isRunning);
  }

  /** What the client has to agree to first, or may not; nothing for sessions that are ending already. */
  #conflict(
    name: string,
    rivals: readonly Session[],
    supersede: boolean,
    mayStop: MayUse,
    mayName: MayUse,
  ): EndpointError | null {
    const running = rivals
      .filter((rival) => !rival.isEnding)
      .map(({ id }) => this.#options.configurations.get(id))
      .filter((configuration) => configuration !== null);
    const forbidden = running.filter((configuration) => !mayStop(configuration));
    if (running.length === 0 || (supersede && forbidden.length === 0)) return null;
    if (forbidden.length > 0) {
      return new EndpointError(
        'sessionConflict',
        `“${name}” uses the same routes as a tunnel of another user. It can be connected once that one is disconnected, by its user or an administrator.`,
        { details: { sessions: [] } },
      );
    }
    const others = running.filter(mayName).map((other) => ({ id: other.id, name: other.name }));
    const list = others.length === 0 ? 'another tunnel' : others.map((other) => `“${other.name}”`).join(', ');
    return new EndpointError(
      'sessionConflict',
      `“${name}” uses the same routes as ${list}. Disconnect ${others.length === 0 ? 'that' : list} first, or agree to replace it.`,
      { details: { sessions: others } },
    );
  }

  #logRegistrations(configuration: Configuration): void {
    const { registry } = this.#options.host;
    const identifier = configuration.protocolConfiguration.providerBundleIdentifier;
    this.#options.logger.log(
      'info',
      'host',
      describeRegistration(registry.registration(identifier, 'packet-tunnel')),
      { configurationId: configuration.id },
    );
  }

  #facts(configuration: Configuration): ConfigurationFacts {
    const { providerBundleIdentifier } = configuration.protocolConfiguration;
    return {
      isEnabled: configuration.isEnabled,
      retry: configuration.retry,
      isAvailable: this.#options.host.registry.find(providerBundleIdentifier) !== null,
    };
  }

  #session(id: string): Session {
    const session = this.#sessions.get(id);
    if (session === undefined) throw unknownConfiguration(id);
    return session;
  }

  #configuration(id: string): Configuration {
    const configuration = this.#options.configurations.get(id);
    if (configuration === null) {
      throw new ConnectionError('configurationNotFound', 'The tunnel was removed while it started.');
    }
    return configuration;
  }
}

/** Whether everybody who may see one configuration may see another as well. */
function isAsPublic(other: Configuration, configuration: Configuration): boolean {
  return other.scope === 'system' || (configuration.scope === 'user' && other.owner === configuration.owner);
}

/** Claims that a configuration will make, as far as its provider can tell before the start. */
function expectedClaims(
  providerClass: PacketTunnelProviderClass | null,
  configurationId: string,
  configuration: TunnelProviderProtocol,
): string[] {
  if (providerClass?.expectedNetworkSettings === undefined) return [];
  // The provider's code, though no instance of it runs yet: what it must not do, it must not do here either.
  const owner = {
    run: 0,
    configurationId,
    identifier: configuration.providerBundleIdentifier,
    fault: () => undefined,
  };
  const settings = runAsProvider(owner, () => providerClass.expectedNetworkSettings?.(configuration) ?? null);
  return settings === null ? [] : routeClaims(packetTunnelNetworkSettingsSchema.parse(settings));
}
