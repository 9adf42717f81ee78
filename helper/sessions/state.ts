import type { SerializedError } from '@sallyport/shared/protocol/errors.ts';
import type { JsonObject } from '@sallyport/shared/protocol/json.ts';
import type { SessionEnd, SessionStatus, StopReason } from '@sallyport/shared/protocol/session.ts';

/** What is known of the configuration that a session runs. */
export interface ConfigurationFacts {
  readonly isEnabled: boolean;
  readonly retry: boolean;
  /** Whether this extension has the provider class that the configuration names. */
  readonly isAvailable: boolean;
}

/** A start that was asked for. */
export interface StartRequest {
  readonly options: JsonObject | null;
  /** Whether the client agreed to stop sessions with the same routes. */
  readonly supersede: boolean;
}

/** Why a session is ending. */
export interface Ending {
  readonly reason: StopReason;
  readonly error: SerializedError | null;
}

/**
 * Where a session is.
 *
 * `run` numbers the provider instance; an answer that carries another run is late and ignored.
 * `preparing` makes the virtual interface and the instance, `starting` awaits `startTunnel`, `stopping` awaits
 * `stopTunnel`, `releasing` undoes what the system did for the run.
 */
export type Phase =
  | { readonly kind: 'idle'; readonly retryAt: number | null }
  | {
      readonly kind: 'preparing';
      readonly run: number;
      readonly request: StartRequest;
      readonly ending: Ending | null;
    }
  | { readonly kind: 'starting'; readonly run: number }
  | {
      readonly kind: 'connected';
      readonly run: number;
      readonly since: number;
      readonly reasserting: boolean;
    }
  | { readonly kind: 'stopping'; readonly run: number; readonly ending: Ending }
  | { readonly kind: 'releasing'; readonly run: number; readonly ending: Ending };

/** The whole state of one session; plain data, changed by `transition` alone. */
export interface SessionState {
  /** Null once the configuration was removed. */
  readonly configuration: ConfigurationFacts | null;
  readonly phase: Phase;
  /** The start to make as soon as the present run, which is ending, has ended. */
  readonly queuedStart: StartRequest | null;
  /** Failed attempts in a row since the person asked for a connection. */
  readonly attempts: number;
  readonly statusReason: string | null;
  readonly lastEnd: SessionEnd | null;
}

export type SessionTimer = 'start' | 'stop' | 'retry';

export type SessionEvent =
  | { readonly kind: 'start'; readonly request: StartRequest }
  | { readonly kind: 'stop'; readonly ending: Ending }
  | { readonly kind: 'configurationSaved'; readonly configuration: ConfigurationFacts }
  | { readonly kind: 'configurationRemoved' }
  | { readonly kind: 'prepared'; readonly run: number }
  | { readonly kind: 'prepareFailed'; readonly run: number; readonly ending: Ending }
  | { readonly kind: 'started'; readonly run: number }
  | { readonly kind: 'startFailed'; readonly run: number; readonly ending: Ending }
  | { readonly kind: 'providerCanceled'; readonly run: number; readonly error: SerializedError | null }
  | { readonly kind: 'reasserting'; readonly run: number; readonly value: boolean }
  | { readonly kind: 'statusReason'; readonly run: number; readonly text: string | null }
  | { readonly kind: 'stopped'; readonly run: number }
  | { readonly kind: 'released'; readonly run: number }
  | { readonly kind: 'timer'; readonly timer: SessionTimer; readonly run: number };

export type SessionEffect =
  | { readonly kind: 'prepare'; readonly run: number; readonly supersede: boolean }
  | { readonly kind: 'startProvider'; readonly run: number; readonly options: JsonObject | null }
  | { readonly kind: 'stopProvider'; readonly run: number; readonly reason: StopReason }
  | { readonly kind: 'release'; readonly run: number }
  | { readonly kind: 'setTimer'; readonly timer: SessionTimer; readonly run: number; readonly delay: number }
  | { readonly kind: 'clearTimer'; readonly timer: SessionTimer }
  | { readonly kind: 'recordEnd'; readonly end: SessionEnd }
  | { readonly kind: 'forget' };

/** What `transition` needs to know besides state and event; all injected. */
export interface TransitionContext {
  /** Unix milliseconds. */
  readonly now: number;
  /** Number for the next provider instance. */
  readonly nextRun: number;
  readonly deadlines: { readonly start: number; readonly stop: number };
}

export interface Transition {
  readonly state: SessionState;
  readonly effects: readonly SessionEffect[];
}

export function initialState(
  configuration: ConfigurationFacts | null,
  lastEnd: SessionEnd | null,
): SessionState {
  return {
    configuration,
    phase: { kind: 'idle', retryAt: null },
    queuedStart: null,
    attempts: 0,
    statusReason: null,
    lastEnd,
  };
}

/** `NEVPNStatus` of a state. */
export function statusOf(state: SessionState): SessionStatus {
  switch (state.phase.kind) {
    case 'idle':
      return state.configuration?.isEnabled === true && state.configuration.isAvailable
        ? 'disconnected'
        : 'invalid';
    case 'preparing':
      return state.phase.ending === null ? 'connecting' : 'disconnecting';
    case 'starting':
      return 'connecting';
    case 'connected':
      return state.phase.reasserting ? 'reasserting' : 'connected';
    case 'stopping':
    case 'releasing':
      return 'disconnecting';
  }
}

/** The run of a state, null while nothing runs. */
export function runOf(state: SessionState): number | null {
  return state.phase.kind === 'idle' ? null : state.phase.run;
}
