import type { z } from 'zod';
import type { Role } from '@sallyport/shared/protocol/authorization.ts';
import { configurationSchema, type Configuration } from '@sallyport/shared/protocol/configuration.ts';
import { EndpointError, VPNError } from '@sallyport/shared/protocol/errors.ts';
import {
  methods,
  type MethodName,
  type MethodParams,
  type MethodRequest,
  type MethodResult,
} from '@sallyport/shared/protocol/methods.ts';
import { sessionSnapshotSchema, type SessionSnapshot } from '@sallyport/shared/protocol/session.ts';
import type { ClientEvents } from '@sallyport/shared/client/reconnecting-client.ts';
import { TypedEmitter } from '@sallyport/shared/client/typed-emitter.ts';
import { isWaiting } from '../bridge/session-facts.ts';
import type { TunnelClient } from '../main/tunnel-client.ts';

const requestSchemas: { readonly [N in MethodName]: { readonly params: z.ZodType<MethodRequest<N>> } } =
  methods;

/** The twin of the endpoint: configurations and sessions in memory, moved by the test. */
export class MemoryTunnelClient extends TypedEmitter<ClientEvents> implements TunnelClient {
  readonly requests: { readonly method: MethodName; readonly params: unknown }[] = [];
  readonly #configurations = new Map<string, Configuration>();
  readonly #sessions = new Map<string, SessionSnapshot>();
  readonly #startedAt = new Map<string, number>();
  #reachable = true;
  /** What the endpoint lets this person do, as of the next connection. */
  role: Role = 'administrator';
  /** Sessions that exclude each other, as two full tunnels would. */
  conflicts = false;

  start(): void {
    setTimeout(() => {
      this.#announce();
    }, 0);
  }

  reopen(): void {
    this.#announce();
  }

  close(): void {
    return;
  }

  /** Lets the endpoint vanish or come back. */
  setReachable(reachable: boolean): void {
    this.#reachable = reachable;
    this.#announce();
  }

  /** The endpoint fails with this error. */
  fail(error: Error): void {
    this.emit('disconnected', error);
  }

  /** As `put`, for callers in another process. */
  putText(json: string): void {
    this.put(configurationSchema.parse(JSON.parse(json)));
  }

  put(configuration: Configuration): void {
    this.#configurations.set(configuration.id, configuration);
    this.emit('configurationChanged', configuration.id, configuration);
  }

  /** As `setSession` with every fact, for callers in another process. */
  setSessionText(json: string): void {
    const session = sessionSnapshotSchema.parse(JSON.parse(json));
    this.setSession(session.configurationId, session);
  }

  /** Changes a session's facts and tells the app. */
  setSession(id: string, change: Partial<SessionSnapshot>): void {
    const session = { ...(this.#sessions.get(id) ?? idleSession(id)), ...change };
    this.#sessions.set(id, session);
    this.emit('sessionChanged', session);
  }

  async call<M extends MethodName>(method: M, params: MethodParams<M>): Promise<MethodResult<M>> {
    this.requests.push({ method, params });
    await Promise.resolve();
    if (!this.#reachable) throw new EndpointError('notReachable', 'The endpoint is away.');
    const request = requestSchemas[method].params.parse(params);
    const handlers: { readonly [N in MethodName]?: (request: MethodRequest<N>) => MethodResult<N> } =
      this.#handlers;
    const handler = handlers[method];
    if (handler === undefined) throw new EndpointError('unknownMethod', `The twin has no ${method}.`);
    return handler(request);
  }

  readonly #handlers = {
    'configurations.save': ({ configuration, expectedRevision }: MethodRequest<'configurations.save'>) => {
      const stored = this.#configurations.get(configuration.id);
      if ((stored?.revision ?? null) !== expectedRevision) {
        throw new VPNError('configurationStale', 'The configuration was changed elsewhere. Try again.');
      }
      for (const other of this.#configurations.values()) {
        if (other.id !== configuration.id && other.name === configuration.name) {
          throw new EndpointError(
            'nameTaken',
            `There is already a tunnel named ${configuration.name}. Choose another name.`,
          );
        }
      }
      const saved: Configuration = {
        ...configuration,
        revision: (stored?.revision ?? 0) + 1,
        owner: 1000,
        createdAt: stored?.createdAt ?? Date.now(),
        modifiedAt: Date.now(),
      };
      this.put(saved);
      return { configuration: saved };
    },
    'configurations.remove': ({ id }: MethodRequest<'configurations.remove'>) => {
      this.#configurations.delete(id);
      this.#sessions.delete(id);
      this.emit('configurationChanged', id, null);
      return {};
    },
    'session.start': ({ id, supersede }: MethodRequest<'session.start'>) => {
      const others = [...this.#sessions.values()].filter(
        (each) => each.configurationId !== id && each.status === 'connected',
      );
      if (this.conflicts && others.length > 0 && !supersede) {
        throw new EndpointError(
          'sessionConflict',
          'Both tunnels carry all traffic, so only one of them can be connected.',
          { details: { configurationIds: others.map((each) => each.configurationId) } },
        );
      }
      if (this.conflicts)
        for (const each of others) this.setSession(each.configurationId, idleSession(each.configurationId));
      this.setSession(id, { status: 'connecting', nextAttemptDate: null });
      setTimeout(() => {
        this.#startedAt.set(id, Date.now());
        this.setSession(id, {
          status: 'connected',
          connectedDate: Date.now(),
          virtualInterface: { name: 'sp0', index: 7 },
          lastEnd: null,
        });
      }, 400);
      return {};
    },
    'session.stop': ({ id }: MethodRequest<'session.stop'>) => {
      if (isWaiting(this.#sessions.get(id) ?? null)) {
        this.setSession(id, { nextAttemptDate: null });
        return {};
      }
      this.setSession(id, { status: 'disconnecting' });
      setTimeout(() => {
        this.setSession(id, idleSession(id));
      }, 200);
      return {};
    },
    'session.statistics': ({ id }: MethodRequest<'session.statistics'>) => {
      const started = this.#startedAt.get(id);
      if (started === undefined) return { statistics: null };
      const seconds = (Date.now() - started) / 1000;
      // A swell that looks like somebody browsing, integrated so that the counters only grow.
      const received = Math.round(900_000 * (seconds * 1.2 - Math.sin(seconds / 3) * 3));
      return {
        statistics: {
          receivedBytes: Math.max(0, received),
          sentBytes: Math.max(0, Math.round(received / 7)),
          malformedPackets: 0,
          droppedPackets: 0,
          peers: [
            {
              publicKey: 'A'.repeat(43) + '=',
              endpoint: '198.51.100.7:51820',
              latestHandshake: started,
              receivedBytes: 0,
              sentBytes: 0,
            },
          ],
        },
      };
    },
  };

  #announce(): void {
    if (!this.#reachable) {
      const error = new EndpointError(
        'notReachable',
        'Nothing listens at /run/sallyport/com.example.sock. Start the system extension.',
      );
      this.emit('disconnected', error);
      return;
    }
    this.emit('connected', {
      protocol: 1,
      role: this.role,
      extension: { identifier: 'com.example.extension', version: '0.1.0', build: '1' },
      developerMode: false,
      pid: 1,
    });
    this.emit('snapshot', {
      sequence: 0,
      configurations: this.role === 'observer' ? [] : [...this.#configurations.values()],
      sessions: [...this.#sessions.values()],
    });
  }
}

function idleSession(id: string): SessionSnapshot {
  return {
    configurationId: id,
    status: 'disconnected',
    connectedDate: null,
    statusReason: null,
    nextAttemptDate: null,
    instance: 0,
    virtualInterface: null,
    lastEnd: null,
  };
}
