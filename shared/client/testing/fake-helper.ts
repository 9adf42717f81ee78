import type { Configuration } from '../../protocol/configuration.ts';
import {
  ConnectionError,
  EndpointError,
  KeychainError,
  ProviderError,
  serializeError,
  VPNError,
  type SerializedError,
} from '../../protocol/errors.ts';
import type { ExtensionProperties } from '../../protocol/extension.ts';
import { logLevels, type LogEntry, type LogLevel } from '../../protocol/log.ts';
import type { Role } from '../../protocol/authorization.ts';
import type { NotificationName, NotificationParams } from '../../protocol/methods.ts';
import type { SessionSnapshot, SessionStatistics, StopReason } from '../../protocol/session.ts';
import { tunnelNameKey } from '../../formats/tunnel-name.ts';
import { FakeEndpoint, type FakeHandlers } from './fake-endpoint.ts';

/** What a start leads to. */
export type StartPlan =
  | { readonly kind: 'connect' }
  /** Stays `connecting`. */
  | { readonly kind: 'hang' }
  /** Ends with this error; with `retryIn`, another attempt is announced. */
  | { readonly kind: 'fail'; readonly error: SerializedError; readonly retryIn?: number };

type Sequenced = Exclude<NotificationName, 'log.entry'>;

/**
 * A helper for tests of clients: keeps configurations and sessions as the real one does, without tunnels.
 *
 * It is no measure of the helper; what the two must have in common is in the schemas.
 */
export class FakeHelper {
  readonly configurations = new Map<string, Configuration>();
  readonly sessions = new Map<string, SessionSnapshot>();
  readonly secrets = new Map<string, string>();
  readonly log: LogEntry[] = [];
  /** Extensions that `extension.list` reports. */
  extensions: ExtensionProperties[] = [];
  startPlan: StartPlan = { kind: 'connect' };
  /** When set, each request but `hello` is refused with it. */
  refusal: Error | null = null;
  protocol = 1;
  /** When set, each start is refused with it. */
  startRefusal: Error | null = null;
  /** What `hello` says that the caller may do. */
  role: Role = 'administrator';
  /** When set, `hello` is never answered. */
  silent = false;
  /** Traffic that a running session reports. */
  statistics: SessionStatistics = {
    receivedBytes: 2048,
    sentBytes: 1024,
    malformedPackets: 0,
    droppedPackets: 0,
    peers: [],
  };
  sequence = 0;
  #endpoint: FakeEndpoint | null = null;

  static async start(): Promise<FakeHelper> {
    const helper = new FakeHelper();
    helper.#endpoint = await FakeEndpoint.listen(helper.#handlers());
    return helper;
  }

  get endpoint(): FakeEndpoint {
    if (this.#endpoint === null) throw new Error('The fake helper was not started.');
    return this.#endpoint;
  }

  close(): Promise<void> {
    return this.endpoint.close();
  }

  /** Changes a session and tells every subscriber. */
  setSession(id: string, change: Partial<SessionSnapshot>): void {
    const session = { ...(this.sessions.get(id) ?? idleSession(id)), ...change };
    this.sessions.set(id, session);
    this.#notify('sessions.changed', (sequence) => ({ sequence, session }));
  }

  endSession(
    id: string,
    reason: StopReason,
    error: SerializedError | null = null,
    nextAttemptDate: number | null = null,
  ): void {
    this.setSession(id, {
      status: 'disconnected',
      connectedDate: null,
      virtualInterface: null,
      nextAttemptDate,
      lastEnd: { reason, error, at: Date.now() },
    });
  }

  pushProviderMessage(id: string, bytes: Uint8Array): void {
    const message = Buffer.from(bytes).toString('base64');
    this.#notify('session.providerMessage', (sequence) => ({ sequence, id, message }));
  }

  display(id: string, text: string): void {
    this.#notify('session.displayMessage', (sequence) => ({ sequence, id, text }));
  }

  writeLog(level: LogLevel, message: string, category = 'sessions'): void {
    const entry: LogEntry = { time: Date.now(), sequence: this.log.length + 1, level, category, message };
    this.log.push(entry);
    for (const peer of this.endpoint.peers) if (peer.followsLog) peer.notify('log.entry', entry);
  }

  #notify<N extends Sequenced>(name: N, params: (sequence: number) => NotificationParams<N>): void {
    this.sequence += 1;
    for (const peer of this.endpoint.peers) if (peer.subscribed) peer.notify(name, params(this.sequence));
  }

  #get(id: string): Configuration {
    const configuration = this.configurations.get(id);
    if (configuration === undefined)
      throw new VPNError('configurationUnknown', `No tunnel has the id ${id}.`);
    return configuration;
  }

  #check(): void {
    if (this.refusal !== null) throw this.refusal;
  }

  #handlers(): FakeHandlers {
    return {
      hello: () => {
        if (this.silent) return new Promise(() => undefined);
        return {
          protocol: this.protocol,
          role: this.role,
          extension: { identifier: 'org.sallyport.helper', version: '0.1.0', build: '1' },
          developerMode: true,
          pid: process.pid,
        };
      },
      'extension.list': () => {
        this.#check();
        return { extensions: this.extensions };
      },
      'events.subscribe': (_params, peer) => {
        peer.subscribed = true;
        return {
          sequence: this.sequence,
          configurations: [...this.configurations.values()],
          sessions: [...this.sessions.values()],
        };
      },
      'configurations.list': () => {
        this.#check();
        return { configurations: [...this.configurations.values()] };
      },
      'configurations.load': ({ id }) => {
        this.#check();
        return { configuration: this.#get(id) };
      },
      'configurations.save': ({ configuration: draft, expectedRevision, secrets }) => {
        this.#check();
        const existing = this.configurations.get(draft.id);
        const storedRevision = existing?.revision ?? null;
        if (expectedRevision !== storedRevision) {
          if (existing === undefined) this.#get(draft.id);
          throw new VPNError('configurationStale', `“${draft.name}” was changed by another program.`, {
            details: { expectedRevision, storedRevision },
          });
        }
        for (const other of this.configurations.values()) {
          if (other.id !== draft.id && tunnelNameKey(other.name) === tunnelNameKey(draft.name)) {
            throw new EndpointError('nameTaken', `There is already a tunnel named “${other.name}”.`);
          }
        }
        const configuration: Configuration = {
          ...draft,
          revision: (existing?.revision ?? 0) + 1,
          owner: process.getuid?.() ?? 0,
          createdAt: existing?.createdAt ?? Date.now(),
          modifiedAt: Date.now(),
        };
        for (const [reference, secret] of Object.entries(secrets)) this.secrets.set(reference, secret);
        this.configurations.set(draft.id, configuration);
        this.#notify('configurations.changed', (sequence) => ({ sequence, id: draft.id, configuration }));
        if (existing === undefined) this.setSession(draft.id, {});
        return { configuration };
      },
      'configurations.remove': ({ id }) => {
        this.#check();
        this.#get(id);
        if (this.sessions.get(id)?.status === 'connected') this.endSession(id, 'configurationRemoved');
        this.configurations.delete(id);
        this.sessions.delete(id);
        this.#notify('configurations.changed', (sequence) => ({ sequence, id, configuration: null }));
        return {};
      },
      'keychain.importIdentity': () => {
        this.#check();
        throw new KeychainError('wrongPassword', 'The password does not open this file.');
      },
      'session.start': ({ id }) => {
        this.#check();
        if (this.startRefusal !== null) throw this.startRefusal;
        const configuration = this.#get(id);
        if (!configuration.isEnabled) {
          throw new VPNError(
            'configurationDisabled',
            `“${configuration.name}” is disabled. Enable it first.`,
          );
        }
        if (this.sessions.get(id)?.status === 'connected') return {};
        this.setSession(id, { status: 'connecting', nextAttemptDate: null });
        setImmediate(() => {
          this.#carryOut(id, this.startPlan);
        });
        return {};
      },
      'session.stop': ({ id }) => {
        this.#check();
        this.#get(id);
        const status = this.sessions.get(id)?.status ?? 'disconnected';
        if (status === 'disconnected' || status === 'invalid') {
          this.setSession(id, { nextAttemptDate: null });
          return {};
        }
        this.setSession(id, { status: 'disconnecting' });
        setImmediate(() => {
          this.endSession(id, 'userInitiated');
        });
        return {};
      },
      'session.statistics': ({ id }) => {
        this.#check();
        this.#get(id);
        return { statistics: this.sessions.get(id)?.status === 'connected' ? this.statistics : null };
      },
      'session.lastDisconnectError': ({ id }) => {
        this.#check();
        this.#get(id);
        const end = this.sessions.get(id)?.lastEnd ?? null;
        return { reason: end?.reason ?? null, error: end?.error ?? null };
      },
      'session.sendProviderMessage': ({ id, message }) => {
        this.#check();
        const configuration = this.#get(id);
        if (this.sessions.get(id)?.status !== 'connected') {
          throw new ProviderError(
            'sessionNotRunning',
            `“${configuration.name}” is not connected. Connect it first.`,
          );
        }
        return { reply: message };
      },
      'log.read': ({ limit, level, follow }, peer) => {
        this.#check();
        if (follow) peer.followsLog = true;
        const least = logLevels.indexOf(level);
        const entries = this.log.filter((entry) => logLevels.indexOf(entry.level) >= least).slice(-limit);
        return { entries };
      },
    };
  }

  #carryOut(id: string, plan: StartPlan): void {
    if (this.sessions.get(id)?.status !== 'connecting') return;
    switch (plan.kind) {
      case 'hang':
        return;
      case 'connect':
        this.setSession(id, {
          status: 'connected',
          connectedDate: Date.now(),
          instance: (this.sessions.get(id)?.instance ?? 0) + 1,
          virtualInterface: { name: 'sally0', index: 7 },
        });
        return;
      case 'fail':
        this.endSession(
          id,
          'connectionFailed',
          plan.error,
          plan.retryIn === undefined ? null : Date.now() + plan.retryIn,
        );
    }
  }
}

/** An error that a provider's start may end with. */
export function serverNotResponding(): SerializedError {
  return serializeError(
    new ConnectionError('serverNotResponding', 'The server did not answer. Check its address.'),
  );
}

function idleSession(configurationId: string): SessionSnapshot {
  return {
    configurationId,
    status: 'disconnected',
    connectedDate: null,
    statusReason: null,
    nextAttemptDate: null,
    instance: 0,
    virtualInterface: null,
    lastEnd: null,
  };
}
