import { EndpointError, RemoteError, VPNError, type SerializedError } from '../protocol/errors.ts';
import type { JsonObject } from '../protocol/json.ts';
import { defaultProviderMessageTimeout } from '../protocol/limits.ts';
import type { SessionSnapshot, SessionStatistics, SessionStatus, StopReason } from '../protocol/session.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { approvalTimeout } from './endpoint-connection.ts';
import type { ReconnectingClient } from './reconnecting-client.ts';
import { judgeStart, judgeStop, type Outcome } from './session-outcome.ts';
import { TypedEmitter } from './typed-emitter.ts';

/** How long `start` waits for a connection, and `stop` for its end, unless the caller says otherwise; milliseconds. */
export const defaultStartTimeout = 60_000;
export const defaultStopTimeout = 30_000;

export interface StartOptions {
  /** Whether to wait until the tunnel is connected; by default it does. */
  readonly wait?: boolean;
  /** Milliseconds to wait. When they are over the session itself goes on: to end it, call `stop`. */
  readonly timeout?: number;
  /** Agrees that running sessions whose routes overlap are stopped first. */
  readonly supersede?: boolean;
  /** Aborting ends the wait, not the session. */
  readonly signal?: AbortSignal;
}

export interface StopOptions {
  /** Whether to wait until the tunnel is down; by default it does. */
  readonly wait?: boolean;
  /** Milliseconds to wait. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

export interface SessionEvents {
  readonly statusChanged: readonly [status: SessionStatus];
  /** Bytes that the provider sent of its own accord. */
  readonly providerMessage: readonly [message: Uint8Array];
}

/**
 * The running side of one configuration: starts it, stops it, and says where it stands.
 *
 * A session goes `disconnected` → `connecting` → `connected` → `disconnecting` → `disconnected`; `reasserting` is a
 * connected one that has lost its transport for a moment and is getting it back; `invalid` has no configuration that
 * could run, or none that is known because the helper cannot be reached. There is one session object per manager, for
 * its whole life. (`NETunnelProviderSession`)
 */
export class TunnelProviderSession extends TypedEmitter<SessionEvents> {
  /** Id of the configuration that the session runs. */
  readonly configurationId: string;
  readonly #client: ReconnectingClient;
  readonly #whenUsable: () => void;
  #lastStatus: SessionStatus = 'invalid';
  #listeners = 0;
  #detach: (() => void)[] = [];

  /**
   * Made by `TunnelProviderManager`, which is where to get one.
   *
   * @param whenUsable throws while the manager was neither loaded nor saved
   */
  constructor(client: ReconnectingClient, configurationId: string, whenUsable: () => void) {
    super();
    this.#client = client;
    this.configurationId = configurationId;
    this.#whenUsable = whenUsable;
  }

  /** Listens to the client only while somebody listens here, so that a manager that was let go costs nothing. */
  override on<E extends keyof SessionEvents>(
    event: E,
    listener: (...args: SessionEvents[E]) => void,
  ): () => void {
    const remove = super.on(event, listener);
    this.#listeners += 1;
    if (this.#listeners === 1) this.#attach();
    let removed = false;
    return () => {
      if (removed) return;
      removed = true;
      remove();
      this.#listeners -= 1;
      if (this.#listeners === 0) for (const detach of this.#detach.splice(0)) detach();
    };
  }

  get status(): SessionStatus {
    return this.#snapshot?.status ?? 'invalid';
  }

  /** When `connected` was entered; kept through `reasserting`, null otherwise. */
  get connectedDate(): Date | null {
    const date = this.#snapshot?.connectedDate ?? null;
    return date === null ? null : new Date(date);
  }

  /** All that is known, for display; null while nothing is. */
  get snapshot(): SessionSnapshot | null {
    return this.#snapshot ?? null;
  }

  /**
   * Starts the tunnel and waits until it is connected.
   *
   * With `wait: false` it returns once the start has begun, as NetworkExtension's own call does, and the result
   * comes as `statusChanged`. A failed start is made again by the helper when the configuration's `retry` is set; the
   * wait then goes on, until its time is over.
   *
   * @param options the provider's `startTunnel` receives it; JSON, at most 64 KiB, used once and never stored
   * @throws {VPNError} `configurationInvalid`, `configurationDisabled`, `configurationUnknown`
   * @throws {EndpointError} `sessionConflict` without `supersede`; `timedOut`, with the last failure as its cause
   * @throws {RemoteError | VPNError} why the session ended before it was connected
   */
  async start(options: JsonObject | null = null, how: StartOptions = {}): Promise<void> {
    this.#whenUsable();
    const { supersede = false, signal, wait = true, timeout = defaultStartTimeout } = how;
    const before = this.#snapshot?.lastEnd ?? null;
    await this.#client.call(
      'session.start',
      { id: this.configurationId, options, supersede },
      { timeout: approvalTimeout, signal },
    );
    if (!wait) return;
    await this.#until(
      (session) => judgeStart(session, before),
      timeout,
      signal,
      () => this.#notConnected(timeout),
    );
  }

  /**
   * Stops the tunnel and waits until it is down. Stopping one that is down already succeeds.
   *
   * With `wait: false` it returns once the stop has begun, as NetworkExtension's own call does.
   *
   * @throws {EndpointError} `timedOut`
   */
  async stop(how: StopOptions = {}): Promise<void> {
    this.#whenUsable();
    const { signal, wait = true, timeout = defaultStopTimeout } = how;
    await this.#client.call(
      'session.stop',
      { id: this.configurationId },
      { timeout: approvalTimeout, signal },
    );
    if (!wait) return;
    await this.#until(
      judgeStop,
      timeout,
      signal,
      () =>
        new EndpointError(
          'timedOut',
          `The tunnel was not down within ${String(timeout / 1000)} s. It is still stopping.`,
        ),
    );
  }

  /** Why the last run ended; null when it ended as asked or never ran. Kept by the helper, also over its restarts. */
  async lastDisconnectError(): Promise<SerializedError | null> {
    this.#whenUsable();
    return (await this.#client.call('session.lastDisconnectError', { id: this.configurationId })).error;
  }

  /** `NEProviderStopReason` of the last run's end; null when it never ran. */
  async lastStopReason(): Promise<StopReason | null> {
    this.#whenUsable();
    return (await this.#client.call('session.lastDisconnectError', { id: this.configurationId })).reason;
  }

  /** Traffic of the run; null when it does not run. */
  async statistics(): Promise<SessionStatistics | null> {
    this.#whenUsable();
    return (await this.#client.call('session.statistics', { id: this.configurationId })).statistics;
  }

  /**
   * Hands bytes to the running provider's `handleAppMessage` and returns its answer.
   *
   * Several may be in flight; the provider gets them in order.
   *
   * @param message at most 512 KiB
   * @param how.timeout milliseconds the provider has, at most 60,000; 10,000 by default
   * @returns null when the provider has nothing to answer
   * @throws {RemoteError} domain ProviderError: `sessionNotRunning`, `timedOut`, `tooLarge`, `providerThrew`
   */
  async sendProviderMessage(
    message: Uint8Array,
    how: { readonly timeout?: number; readonly signal?: AbortSignal } = {},
  ): Promise<Uint8Array | null> {
    this.#whenUsable();
    const timeout = how.timeout ?? defaultProviderMessageTimeout;
    const { reply } = await this.#client.call(
      'session.sendProviderMessage',
      { id: this.configurationId, message: encodeBase64(message), timeout },
      // The helper keeps the time; ours only catches a helper that does not.
      { timeout: timeout + 5000, signal: how.signal },
    );
    return reply === null ? null : decodeBase64(reply);
  }

  get #snapshot(): SessionSnapshot | undefined {
    return this.#client.session(this.configurationId);
  }

  #attach(): void {
    this.#lastStatus = this.status;
    const tell = () => {
      this.#tell();
    };
    this.#detach = [
      this.#client.on('sessionChanged', tell),
      this.#client.on('snapshot', tell),
      this.#client.on('configurationChanged', tell),
      this.#client.on('disconnected', tell),
      this.#client.on('providerMessage', (id, message) => {
        if (id === this.configurationId) this.emit('providerMessage', message);
      }),
    ];
  }

  #tell(): void {
    const { status } = this;
    if (status === this.#lastStatus) return;
    this.#lastStatus = status;
    this.emit('statusChanged', status);
  }

  #notConnected(timeout: number): EndpointError {
    const end = this.#snapshot?.lastEnd?.error ?? null;
    const reason = this.#snapshot?.statusReason ?? end?.message ?? null;
    return new EndpointError(
      'timedOut',
      `The tunnel was not connected within ${String(timeout / 1000)} s` +
        `${reason === null ? '' : ` (${reason.replace(/\.$/, '')})`}. It goes on trying until you disconnect it.`,
      end === null ? {} : { cause: new RemoteError(end) },
    );
  }

  #until(
    judge: (session: SessionSnapshot | undefined) => Outcome,
    timeout: number,
    signal: AbortSignal | undefined,
    timedOut: () => Error,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const stopListening: (() => void)[] = [];
      const settle = (act: () => void) => {
        clearTimeout(timer);
        for (const stop of stopListening.splice(0)) stop();
        signal?.removeEventListener('abort', onAbort);
        act();
      };
      const look = () => {
        // While the helper is away nothing is known; the snapshot that ends it says what became of the session.
        if (!this.#client.isConnected) return;
        const outcome = judge(this.#snapshot);
        if (outcome.kind === 'done') settle(resolve);
        if (outcome.kind === 'failed') {
          settle(() => {
            reject(outcome.error === null ? endedEarly(this.#snapshot) : new RemoteError(outcome.error));
          });
        } else if (
          outcome.kind === 'waiting' &&
          this.#client.configuration(this.configurationId) === undefined
        ) {
          settle(() => {
            reject(removedMeanwhile());
          });
        }
      };
      const onAbort = () => {
        settle(() => {
          const reason: unknown = signal?.reason;
          reject(reason instanceof Error ? reason : new Error('The wait was aborted.'));
        });
      };
      const timer = setTimeout(() => {
        settle(() => {
          reject(timedOut());
        });
      }, timeout);
      signal?.addEventListener('abort', onAbort);
      stopListening.push(
        this.#client.on('sessionChanged', (session) => {
          if (session.configurationId === this.configurationId) look();
        }),
        this.#client.on('snapshot', look),
        this.#client.on('configurationChanged', look),
      );
      if (signal?.aborted === true) onAbort();
      else look();
    });
  }
}

function endedEarly(session: SessionSnapshot | undefined): VPNError {
  const reason = session?.lastEnd?.reason ?? 'none';
  return new VPNError(
    'connectionFailed',
    reason === 'userInitiated'
      ? 'The tunnel was disconnected before it was connected.'
      : `The tunnel ended before it was connected (${reason}).`,
  );
}

function removedMeanwhile(): VPNError {
  return new VPNError('configurationUnknown', 'The tunnel was removed before it was connected.');
}
