import { isDeepStrictEqual } from 'node:util';
import { NetworkSettingsError, isError, serializeError } from '@sallyport/shared/protocol/errors.ts';
import type { Configuration } from '@sallyport/shared/protocol/configuration.ts';
import type { SessionEnd, SessionSnapshot, SessionStatistics } from '@sallyport/shared/protocol/session.ts';
import type { NetworkPath } from '@sallyport/shared/provider/network-path.ts';
import type { ProviderRun } from '../host/provider-run.ts';
import type { RunReports } from '../host/run-context.ts';
import type { CategoryLog } from '../log/logger.ts';
import { transition } from './transition.ts';
import {
  initialState,
  runOf,
  statusOf,
  type ConfigurationFacts,
  type Ending,
  type SessionEffect,
  type SessionEvent,
  type SessionState,
  type SessionTimer,
  type StartRequest,
} from './state.ts';

/** What a session needs of its manager. */
export interface SessionEnvironment {
  readonly deadlines: { readonly start: number; readonly stop: number };
  readonly log: CategoryLog;
  now(): number;
  /** Number that the next run of any session will have. */
  nextRun(): number;
  /** Makes the run, which takes that number, after stopping those it may supersede. */
  prepare(run: number, supersede: boolean, reports: RunReports): Promise<ProviderRun>;
  changed(snapshot: SessionSnapshot): void;
  recordEnd(end: SessionEnd): void;
  /** The configuration is gone and nothing runs: the session object can go too. */
  forget(): void;
  providerMessage(message: Uint8Array): void;
  displayMessage(text: string): Promise<boolean>;
}

/** Runs the effects that `transition` decides on for one configuration, and feeds their answers back. */
export class Session {
  readonly id: string;
  readonly #environment: SessionEnvironment;
  readonly #timers = new Map<SessionTimer, NodeJS.Timeout>();
  readonly #queue: SessionEvent[] = [];
  #isDispatching = false;
  #state: SessionState;
  #run: ProviderRun | null = null;
  #snapshot: SessionSnapshot;
  #idleWaiters: (() => void)[] = [];

  constructor(
    id: string,
    configuration: ConfigurationFacts,
    lastEnd: SessionEnd | null,
    environment: SessionEnvironment,
  ) {
    this.id = id;
    this.#environment = environment;
    this.#state = initialState(configuration, lastEnd);
    this.#snapshot = this.#takeSnapshot();
  }

  get snapshot(): SessionSnapshot {
    return this.#snapshot;
  }

  get isRunning(): boolean {
    return runOf(this.#state) !== null;
  }

  /** Whether a stop is under way, so that nobody has to agree to one. */
  get isEnding(): boolean {
    return statusOf(this.#state) === 'disconnecting';
  }

  start(request: StartRequest): void {
    this.#dispatch({ kind: 'start', request });
  }

  stop(ending: Ending): void {
    this.#dispatch({ kind: 'stop', ending });
  }

  configurationSaved(configuration: Configuration, facts: ConfigurationFacts): void {
    this.#dispatch({ kind: 'configurationSaved', configuration: facts });
    this.#run?.configurationChanged(configuration.protocolConfiguration);
  }

  configurationRemoved(): void {
    this.#dispatch({ kind: 'configurationRemoved' });
  }

  pathChanged(path: NetworkPath): void {
    this.#run?.pathChanged(path);
  }

  statistics(): SessionStatistics | null {
    return this.#run?.statistics() ?? null;
  }

  /** The running instance while it may be spoken to, null otherwise. */
  get provider(): ProviderRun | null {
    const status = statusOf(this.#state);
    return status === 'connected' || status === 'reasserting' || status === 'connecting' ? this.#run : null;
  }

  /** Settles as soon as nothing of this session runs. */
  whenIdle(): Promise<void> {
    if (!this.isRunning) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
    });
  }

  /** Effects may answer at once, inside another dispatch; events are therefore taken one after the other. */
  #dispatch(event: SessionEvent): void {
    this.#queue.push(event);
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#apply(next);
    } finally {
      this.#isDispatching = false;
    }
  }

  #apply(event: SessionEvent): void {
    const { deadlines, log } = this.#environment;
    const { state, effects } = transition(this.#state, event, {
      now: this.#environment.now(),
      nextRun: this.#environment.nextRun(),
      deadlines,
    });
    const before = statusOf(this.#state);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    const after = statusOf(state);
    if (before !== after) {
      log('notice', `The session went from ${before} to ${after}.`, {
        event: event.kind,
        run: runOf(state) ?? 0,
      });
    }
    const snapshot = this.#takeSnapshot();
    if (!isDeepStrictEqual(snapshot, this.#snapshot)) {
      this.#snapshot = snapshot;
      this.#environment.changed(snapshot);
    }
    if (!this.isRunning) {
      for (const resolve of this.#idleWaiters.splice(0)) resolve();
    }
  }

  #perform(effect: SessionEffect): void {
    switch (effect.kind) {
      case 'prepare':
        this.#prepare(effect.run, effect.supersede);
        break;
      case 'startProvider': {
        const { run } = effect;
        this.#answer(
          this.#run?.start(effect.options),
          () => ({ kind: 'started', run }),
          (error) => ({
            kind: 'startFailed',
            run,
            ending: startEnding(error),
          }),
        );
        break;
      }
      case 'stopProvider': {
        const { run } = effect;
        this.#answer(
          this.#run?.stop(effect.reason),
          () => ({ kind: 'stopped', run }),
          (error) => {
            this.#environment.log('warning', 'stopTunnel failed; the session is released all the same.', {
              error: serializeError(error).message,
            });
            return { kind: 'stopped', run };
          },
        );
        break;
      }
      case 'release': {
        const { run } = effect;
        const released: SessionEvent = { kind: 'released', run };
        const ending = this.#run;
        this.#run = null;
        this.#answer(
          ending?.release(),
          () => released,
          (error) => {
            this.#environment.log('error', 'Releasing the session failed.', {
              error: serializeError(error).message,
            });
            return released;
          },
        );
        break;
      }
      case 'setTimer':
        this.#setTimer(effect.timer, effect.run, effect.delay);
        break;
      case 'clearTimer':
        this.#clearTimer(effect.timer);
        break;
      case 'recordEnd':
        this.#environment.recordEnd(effect.end);
        this.#environment.log('notice', `The session ended: ${effect.end.reason}.`, {
          reason: effect.end.reason,
          ...(effect.end.error === null
            ? {}
            : { code: effect.end.error.code, error: effect.end.error.message }),
        });
        break;
      case 'forget':
        this.#environment.forget();
        break;
    }
  }

  #prepare(run: number, supersede: boolean): void {
    const environment = this.#environment;
    const reports: RunReports = {
      canceled: (error) => {
        this.#dispatch({
          kind: 'providerCanceled',
          run,
          error: error === null ? null : serializeError(error),
        });
      },
      reasserting: (value) => {
        this.#dispatch({ kind: 'reasserting', run, value });
      },
      statusReason: (text) => {
        this.#dispatch({ kind: 'statusReason', run, text });
      },
      providerMessage: (message) => {
        environment.providerMessage(message);
      },
      displayMessage: (text) => environment.displayMessage(text),
    };
    this.#answer(
      environment.prepare(run, supersede, reports).then((made) => {
        this.#run = made;
      }),
      () => ({ kind: 'prepared', run }),
      (error) => ({ kind: 'prepareFailed', run, ending: prepareEnding(error) }),
    );
  }

  #answer(
    work: Promise<void> | undefined,
    success: () => SessionEvent,
    failure: (error: unknown) => SessionEvent,
  ): void {
    (work ?? Promise.resolve()).then(
      () => {
        this.#dispatch(success());
      },
      (error: unknown) => {
        this.#dispatch(failure(error));
      },
    );
  }

  #setTimer(timer: SessionTimer, run: number, delay: number): void {
    this.#clearTimer(timer);
    this.#timers.set(
      timer,
      setTimeout(() => {
        this.#timers.delete(timer);
        this.#dispatch({ kind: 'timer', timer, run });
      }, delay),
    );
  }

  #clearTimer(timer: SessionTimer): void {
    clearTimeout(this.#timers.get(timer));
    this.#timers.delete(timer);
  }

  #takeSnapshot(): SessionSnapshot {
    const { phase, statusReason, lastEnd } = this.#state;
    return {
      configurationId: this.id,
      status: statusOf(this.#state),
      connectedDate: phase.kind === 'connected' ? phase.since : null,
      statusReason,
      nextAttemptDate: phase.kind === 'idle' ? phase.retryAt : null,
      instance: runOf(this.#state) ?? 0,
      virtualInterface: this.#run?.virtualInterface ?? null,
      lastEnd,
    };
  }
}

/** A start that was refused for what the configuration says must not be tried again by itself. */
function startEnding(error: unknown): Ending {
  const serialized = serializeError(error);
  if (
    isError(error, 'ConnectionError', 'configurationFailed') ||
    isError(error, 'ProviderError', 'secretNotFound')
  ) {
    return { reason: 'configurationFailed', error: serialized };
  }
  if (isError(error, 'ConnectionError', 'authenticationFailed')) {
    return { reason: 'authenticationCanceled', error: serialized };
  }
  if (isConflict(error)) return { reason: 'superceded', error: serialized };
  if (error instanceof NetworkSettingsError && error.code === 'networkSettingsInvalid') {
    return { reason: 'configurationFailed', error: serialized };
  }
  return { reason: 'connectionFailed', error: serialized };
}

function prepareEnding(error: unknown): Ending {
  const serialized = serializeError(error);
  if (isConflict(error)) return { reason: 'superceded', error: serialized };
  const isMissing = isError(error, 'ConnectionError', 'pluginDisabled');
  return { reason: isMissing ? 'providerDisabled' : 'internalError', error: serialized };
}

/** Whether another session holds the routes; starting again by itself would not help. */
function isConflict(error: unknown): boolean {
  return error instanceof NetworkSettingsError && isError(error.cause, 'EndpointError', 'sessionConflict');
}
