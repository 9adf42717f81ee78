import { ResponseError, type CancellationToken } from 'vscode-jsonrpc/node';
import { EndpointError, isError, serializeError } from '@sallyport/shared/protocol/errors.ts';
import { roleFor, type Role } from '@sallyport/shared/protocol/authorization.ts';
import {
  methods,
  type MethodName,
  type NotificationName,
  type NotificationParams,
} from '@sallyport/shared/protocol/methods.ts';
import type { CategoryLog } from '../log/logger.ts';
import type { Authority } from './authority.ts';
import { Authorizer, ChangedProcessError, includesUse, type Subject } from './authorizer.ts';
import { judgeExecutable, verifyCaller, type CallerRequirement, type Peer } from './caller.ts';
import { ClientLog } from './client-log.ts';
import { Conversation } from './conversation.ts';
import { dispatch, type Caller, type MethodHandlers } from './dispatch.ts';
import { warmDigests, type ExecutableFiles } from './executable-files.ts';
import { applicationError, failure } from './frame-connection.ts';
import type { Listener, ListenerEvent } from './listener.ts';
import { RefusalLog } from './refusal-log.ts';
import { RequestLimits } from './request-limits.ts';
import { notificationRole, type Viewer } from './visibility.ts';

export interface EndpointServerOptions {
  readonly requirement: CallerRequirement;
  readonly files: ExecutableFiles;
  readonly authority: Authority;
  readonly extensionIdentifier: string;
  readonly handlers: MethodHandlers;
  readonly log: CategoryLog;
  /** What a client's notifications go by, `viewer`, became another. */
  readonly onRoleChanged: (connection: number) => void;
  /** A client's connection ended. */
  readonly onClosed: (connection: number) => void;
  /** Milliseconds of a clock that does not go back. */
  readonly now?: () => number;
}

interface Client {
  readonly subject: Subject;
  /** Made of its first frame: one that stays silent costs little. */
  conversation: Conversation | null;
  /** What its notifications go by. */
  role: Role;
  /** The hello under way or past; settles with whether it succeeded. */
  greeting: Promise<boolean> | null;
}

/** Serves verified connections; the listener's events come in through `handle`. */
export class EndpointServer {
  readonly #options: EndpointServerOptions;
  readonly #clients = new Map<number, Client>();
  /** Connections whose executable is being looked at, or whose end is still to be told. */
  readonly #unverified = new Map<number, Peer>();
  readonly #refusals: RefusalLog;
  readonly #clientLog: ClientLog;
  readonly #limits: RequestLimits;
  readonly #authorizer: Authorizer;
  #listener: Listener | null = null;

  constructor(options: EndpointServerOptions) {
    const { log, authority, extensionIdentifier, requirement, now = () => performance.now() } = options;
    this.#options = options;
    this.#refusals = new RefusalLog(log);
    this.#clientLog = new ClientLog(log);
    this.#limits = new RequestLimits(now);
    this.#authorizer = new Authorizer({
      authority,
      extensionIdentifier,
      isDeveloper: requirement.developerUid !== null,
      log,
      isUnchanged: (connection) => this.#listener?.isUnchanged(connection) ?? false,
      now,
    });
  }

  /** Opens the listener, whose events come after this call. */
  start(listen: (onEvent: (event: ListenerEvent) => void) => Listener): void {
    this.#listener = listen((event) => {
      this.#handle(event);
    });
    warmDigests(this.#options.files, this.#options.requirement);
  }

  /** Sends a notification to one client; one that is gone is no error. */
  notify<N extends NotificationName>(connection: number, name: N, params: NotificationParams<N>): void {
    const client = this.#clients.get(connection);
    client?.conversation?.rpc.sendNotification(name, params).catch((error: unknown) => {
      // A client that misses one must not go on as if it had it; when it comes back it gets a snapshot.
      this.#drop(connection, `the notification ${name} could not be sent: ${serializeError(error).message}`);
    });
  }

  /** For whom a connection's notifications are; null once it is gone. */
  viewer(connection: number): Viewer | null {
    const client = this.#clients.get(connection);
    return client === undefined ? null : { uid: client.subject.peer.uid, role: client.role };
  }

  stop(): void {
    this.#listener?.stop();
    this.#listener = null;
    this.#unverified.clear();
    for (const id of [...this.#clients.keys()]) this.#closed(id, 'the helper stops');
  }

  #handle(event: ListenerEvent): void {
    switch (event.kind) {
      case 'connection':
        this.#verify(event.connectionId, event.peer);
        break;
      case 'frame': {
        const client = this.#clients.get(event.connectionId);
        if (client === undefined) break;
        client.conversation ??= this.#converse(client);
        const problem = client.conversation.receive(event.data);
        if (problem !== null) this.#drop(event.connectionId, problem);
        break;
      }
      case 'closed':
        this.#reportAttack(event.connectionId, event.reason);
        this.#unverified.delete(event.connectionId);
        this.#closed(event.connectionId, event.reason);
        break;
      case 'refused':
        this.#refusals.add({ ...event, executable: null });
        break;
    }
  }

  /** Logs an end that no honest program brings about, as the refusal that it is. */
  #reportAttack(id: number, end: string): void {
    const peer = this.#clients.get(id)?.subject.peer ?? this.#unverified.get(id);
    const reason = attacks.get(end);
    if (peer === undefined || reason === undefined) return;
    const { pid, uid, executable } = peer;
    this.#refusals.add({ pid, uid, executable, reason });
  }

  /** The connection is silent until this ends; a digest may have to be made first. */
  #verify(id: number, peer: Peer): void {
    const verdict = verifyCaller(peer, this.#options.requirement);
    switch (verdict.kind) {
      case 'accepted':
        this.#accept(id, peer);
        break;
      case 'refused':
        this.#refuse(id, peer, verdict.reason);
        break;
      case 'inspect': {
        const { executable } = verdict;
        this.#unverified.set(id, peer);
        void this.#options.files.inspect(executable.path, executable.sha256 !== null).then((file) => {
          if (!this.#unverified.delete(id)) return;
          const judged = judgeExecutable(peer, executable, file);
          if (judged.kind === 'accepted') this.#accept(id, peer);
          else this.#refuse(id, peer, judged.kind === 'refused' ? judged.reason : 'it was not looked at');
        });
        break;
      }
    }
  }

  #accept(id: number, peer: Peer): void {
    const subject: Subject = { connection: id, peer };
    const client: Client = {
      subject,
      conversation: null,
      role: this.#authorizer.isAlwaysAllowed(subject) ? 'administrator' : 'observer',
      greeting: null,
    };
    this.#clients.set(id, client);
    if (this.#listener?.release(id) !== true) {
      this.#closed(id, 'its process is gone');
      // The listener's own word on it is still to come.
      this.#unverified.set(id, peer);
      return;
    }
    this.#clientLog.connected(subject);
  }

  #converse(client: Client): Conversation {
    const { connection: id, peer } = client.subject;
    return new Conversation({
      uid: peer.uid,
      limits: this.#limits,
      transport: {
        send: (payload) => {
          if (this.#clients.has(id)) this.#listener?.send(id, asBuffer(payload));
        },
        close: (reason) => {
          this.#listener?.close(id, reason);
        },
      },
      onRequest: (method, params, token) => this.#request(client, method, params, token),
    });
  }

  async #request(
    client: Client,
    method: string,
    params: unknown,
    token: CancellationToken,
  ): Promise<unknown> {
    const abort = new AbortController();
    const cancel = (): void => {
      abort.abort(new EndpointError('requestCancelled', 'The request was cancelled by its sender.'));
    };
    const subscription = token.onCancellationRequested(cancel);
    if (token.isCancellationRequested) cancel();
    try {
      return await (method === 'hello'
        ? this.#greet(client, params, abort.signal)
        : this.#answer(client, method, params, abort.signal));
    } catch (error) {
      const data = serializeError(error);
      if (data.number === 0) {
        this.#options.log('error', `The request ${method.slice(0, 100)} failed unexpectedly.`, {
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        });
      }
      if (error instanceof ChangedProcessError) {
        // In the next turn, so that its answer goes out first.
        setImmediate(() => {
          this.#drop(client.subject.connection, 'its process runs another program by now');
        });
      }
      throw new ResponseError(applicationError, data.message, data);
    } finally {
      subscription.dispose();
    }
  }

  /** Further requests may follow `hello` before its answer; they wait for it. */
  async #greet(client: Client, params: unknown, signal: AbortSignal): Promise<unknown> {
    if (client.greeting !== null) {
      throw new EndpointError('invalidParameters', 'This connection has said hello already.');
    }
    let settle: (greeted: boolean) => void = () => undefined;
    client.greeting = new Promise((resolve) => {
      settle = resolve;
    });
    try {
      const answer = await this.#dispatch(client, 'hello', params, signal);
      settle(true);
      this.#clientLog.greeted(client.subject, methods.hello.params.parse(params).client);
      return answer;
    } catch (error) {
      client.greeting = null;
      settle(false);
      throw error;
    }
  }

  async #answer(client: Client, method: string, params: unknown, signal: AbortSignal): Promise<unknown> {
    if ((await client.greeting) !== true) {
      throw new EndpointError('invalidParameters', 'The first request of a connection must be hello.');
    }
    return await this.#dispatch(client, method, params, signal);
  }

  #dispatch(client: Client, method: string, params: unknown, signal: AbortSignal): Promise<unknown> {
    const authorize = (known: MethodName): Promise<Caller> => this.#authorize(client, known, signal);
    return dispatch(this.#options.handlers, method, params, authorize, signal);
  }

  async #authorize(client: Client, method: MethodName, signal: AbortSignal): Promise<Caller> {
    const { subject } = client;
    const { connection, peer } = subject;
    return {
      connection,
      uid: peer.uid,
      pid: peer.pid,
      role: await this.#roleIn(client, method, signal),
      mayConfigure: () => this.#authorizer.mayConfigure(subject),
    };
  }

  /** The role in which a client makes a call. @throws {EndpointError} it may not */
  async #roleIn(client: Client, method: MethodName, signal: AbortSignal): Promise<Role> {
    const { subject } = client;
    const needed = roleFor(method);
    if (needed === 'observer') {
      // Asked anew where the role is answered or decides what the client is shown from then on.
      if (method === 'extension.list') return client.role;
      const role = await this.#authorizer.role(subject, method === 'hello');
      this.#setRole(client, role);
      return role;
    }
    try {
      await this.#authorizer.authorize(subject, method, signal);
    } catch (error) {
      if (needed === 'container' && isError(error, 'EndpointError', 'accessDenied')) {
        this.#setRole(client, 'observer');
      }
      throw error;
    }
    if (includesUse(method)) this.#setRole(client, 'container');
    return this.#authorizer.isAlwaysAllowed(subject) ? 'administrator' : needed;
  }

  #setRole(client: Client, found: Role): void {
    const { connection } = client.subject;
    const role = this.#authorizer.isAlwaysAllowed(client.subject) ? 'administrator' : notificationRole(found);
    if (role === client.role || this.#clients.get(connection) !== client) return;
    client.role = role;
    this.#options.onRoleChanged(connection);
  }

  /** An unverified caller gets one typed error, as the answer to nothing it asked, and a closed connection (E2). */
  #refuse(id: number, { pid, uid, executable }: Peer, reason: string): void {
    this.#refusals.add({ pid, uid, executable, reason });
    const error = new EndpointError('accessDenied', `The helper does not accept this program: ${reason}.`);
    this.#listener?.refuse(id, asBuffer(failure(null, error)), 'refused');
  }

  #drop(id: number, reason: string): void {
    const client = this.#clients.get(id);
    if (client === undefined) return;
    this.#listener?.close(id, reason);
    // Forgotten first: a client that follows the log would be told of its own end.
    this.#closed(id, reason);
    this.#clientLog.dropped(client.subject, reason);
  }

  #closed(id: number, reason: string): void {
    const client = this.#clients.get(id);
    if (client === undefined) return;
    this.#clients.delete(id);
    client.conversation?.end();
    this.#authorizer.forget(id);
    this.#options.onClosed(id);
    this.#clientLog.ended(client.subject, reason);
  }
}

/** Ends of the native listener's that show an attempt to pass for another process. */
const attacks: ReadonlyMap<string, string> = new Map([
  ['prematureFrame', 'it spoke before it was let in'],
  ['wrongNonce', 'it did not bring the nonce back'],
  ['senderMismatch', 'another process used its connection'],
  ['unexpectedDescriptors', 'it sent file descriptors along'],
]);

/** The same bytes as a `Buffer`, not copied. */
function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
