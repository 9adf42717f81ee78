import { ConnectionError, serializeError } from '@sallyport/shared/protocol/errors.ts';
import { retryDelay } from './backoff.ts';
import type {
  ConfigurationFacts,
  Ending,
  SessionEffect,
  SessionEvent,
  SessionState,
  StartRequest,
  Transition,
  TransitionContext,
} from './state.ts';

const ignored = (state: SessionState): Transition => ({ state, effects: [] });

/**
 * The session manager's only rule book: what a session becomes after an event, and what is to be done.
 *
 * Pure: time and run numbers come from the context. An event of another run than the present one is late and
 * changes nothing, so effects may answer whenever they like (contract L12).
 */
export function transition(state: SessionState, event: SessionEvent, context: TransitionContext): Transition {
  switch (event.kind) {
    case 'start':
      return start(state, event.request, context);
    case 'stop':
      return stop(state, event.ending, context);
    case 'configurationSaved':
      return configurationSaved(state, event.configuration, context);
    case 'configurationRemoved':
      return configurationRemoved(state, context);
    case 'timer':
      return timer(state, event.timer, event.run, context);
    case 'prepared':
    case 'prepareFailed':
    case 'started':
    case 'startFailed':
    case 'providerCanceled':
    case 'reasserting':
    case 'statusReason':
    case 'stopped':
    case 'released':
      if (state.phase.kind === 'idle' || state.phase.run !== event.run) return ignored(state);
      return runEvent(state, event, context);
  }
}

type RunEvent = Extract<SessionEvent, { readonly run: number }>;

function runEvent(state: SessionState, event: RunEvent, context: TransitionContext): Transition {
  const { phase } = state;
  switch (event.kind) {
    case 'prepared':
      if (phase.kind !== 'preparing') return ignored(state);
      if (phase.ending !== null) return release(state, phase.run, phase.ending);
      return {
        state: { ...state, phase: { kind: 'starting', run: phase.run } },
        effects: [
          { kind: 'setTimer', timer: 'start', run: phase.run, delay: context.deadlines.start },
          { kind: 'startProvider', run: phase.run, options: phase.request.options },
        ],
      };
    case 'prepareFailed':
      if (phase.kind !== 'preparing') return ignored(state);
      return release(state, phase.run, phase.ending ?? event.ending);
    case 'started':
      if (phase.kind !== 'starting') return ignored(state);
      return {
        state: {
          ...state,
          phase: { kind: 'connected', run: phase.run, since: context.now, reasserting: false },
          attempts: 0,
          statusReason: null,
        },
        effects: [{ kind: 'clearTimer', timer: 'start' }],
      };
    case 'startFailed':
      if (phase.kind !== 'starting') return ignored(state);
      return stopProvider(state, phase.run, event.ending, context);
    case 'providerCanceled':
      if (phase.kind !== 'starting' && phase.kind !== 'connected') return ignored(state);
      return stopProvider(state, phase.run, { reason: 'providerFailed', error: event.error }, context);
    case 'reasserting':
      if (phase.kind !== 'connected' || phase.reasserting === event.value) return ignored(state);
      return {
        state: {
          ...state,
          phase: { ...phase, reasserting: event.value },
          statusReason: event.value ? state.statusReason : null,
        },
        effects: [],
      };
    case 'statusReason':
      if (phase.kind !== 'starting' && phase.kind !== 'connected') return ignored(state);
      return { state: { ...state, statusReason: event.text }, effects: [] };
    case 'stopped':
      if (phase.kind !== 'stopping') return ignored(state);
      return release(state, phase.run, phase.ending);
    case 'released':
      if (phase.kind !== 'releasing') return ignored(state);
      return ended(state, phase.ending, context);
    case 'timer':
      return ignored(state);
  }
}

function start(state: SessionState, request: StartRequest, context: TransitionContext): Transition {
  if (!canRun(state.configuration)) return ignored(state);
  switch (state.phase.kind) {
    case 'idle':
      return begin({ ...state, attempts: 0 }, request, context);
    case 'stopping':
    case 'releasing':
      return { state: { ...state, queuedStart: request }, effects: [] };
    case 'preparing':
      if (state.phase.ending === null) return ignored(state);
      return { state: { ...state, queuedStart: request }, effects: [] };
    case 'starting':
    case 'connected':
      return ignored(state);
  }
}

function begin(state: SessionState, request: StartRequest, context: TransitionContext): Transition {
  const run = context.nextRun;
  return {
    state: {
      ...state,
      phase: { kind: 'preparing', run, request, ending: null },
      queuedStart: null,
      statusReason: null,
    },
    effects: [
      { kind: 'clearTimer', timer: 'retry' },
      { kind: 'prepare', run, supersede: request.supersede },
    ],
  };
}

function stop(state: SessionState, ending: Ending, context: TransitionContext): Transition {
  const { phase } = state;
  const calm: SessionState = { ...state, queuedStart: null, attempts: 0 };
  switch (phase.kind) {
    case 'idle':
      if (phase.retryAt === null) return ignored(state);
      return {
        state: { ...calm, phase: { kind: 'idle', retryAt: null } },
        effects: [{ kind: 'clearTimer', timer: 'retry' }],
      };
    case 'preparing':
      return { state: { ...calm, phase: { ...phase, ending: phase.ending ?? ending } }, effects: [] };
    case 'starting':
    case 'connected':
      return stopProvider(calm, phase.run, ending, context);
    case 'stopping':
    case 'releasing':
      // The stop that is under way keeps what it said, but nothing may start again after it.
      return {
        state: { ...calm, phase: { ...phase, ending: withoutRetry(phase.ending, ending) } },
        effects: [],
      };
  }
}

/** A person's stop of a session that is already failing ends its retries: it counts as theirs, the error is kept. */
function withoutRetry(first: Ending, later: Ending): Ending {
  return retries(first) ? { reason: later.reason, error: first.error } : first;
}

function retries(ending: Ending): boolean {
  return ending.reason === 'connectionFailed' || ending.reason === 'providerFailed';
}

function stopProvider(
  state: SessionState,
  run: number,
  ending: Ending,
  context: TransitionContext,
): Transition {
  return {
    state: { ...state, phase: { kind: 'stopping', run, ending }, statusReason: null },
    effects: [
      { kind: 'clearTimer', timer: 'start' },
      { kind: 'setTimer', timer: 'stop', run, delay: context.deadlines.stop },
      { kind: 'stopProvider', run, reason: ending.reason },
    ],
  };
}

function release(state: SessionState, run: number, ending: Ending): Transition {
  return {
    state: { ...state, phase: { kind: 'releasing', run, ending }, statusReason: null },
    effects: [
      { kind: 'clearTimer', timer: 'stop' },
      { kind: 'release', run },
    ],
  };
}

function ended(state: SessionState, ending: Ending, context: TransitionContext): Transition {
  const lastEnd = { reason: ending.reason, error: ending.error, at: context.now };
  const record: SessionEffect = { kind: 'recordEnd', end: lastEnd };
  const idle: SessionState = { ...state, phase: { kind: 'idle', retryAt: null }, lastEnd };
  if (state.configuration === null) return { state: idle, effects: [record, { kind: 'forget' }] };
  if (!canRun(state.configuration)) return { state: { ...idle, queuedStart: null }, effects: [record] };
  if (state.queuedStart !== null) {
    const next = begin({ ...idle, attempts: 0 }, state.queuedStart, context);
    return { state: next.state, effects: [record, ...next.effects] };
  }
  if (retries(ending) && state.configuration.retry) {
    const attempts = state.attempts + 1;
    const delay = retryDelay(attempts);
    return {
      state: { ...idle, attempts, phase: { kind: 'idle', retryAt: context.now + delay } },
      effects: [record, { kind: 'setTimer', timer: 'retry', run: 0, delay }],
    };
  }
  return { state: idle, effects: [record] };
}

function timer(
  state: SessionState,
  which: 'start' | 'stop' | 'retry',
  run: number,
  context: TransitionContext,
): Transition {
  const { phase } = state;
  switch (which) {
    case 'retry':
      if (phase.kind !== 'idle' || phase.retryAt === null || !canRun(state.configuration)) {
        return ignored(state);
      }
      // Options may hold a one-time credential, so a retry has none (contract K2, L4). Nor does consent to stop others
      // outlive the start that it was given for: a session that began since then was not spoken of (M3).
      return begin(state, { options: null, supersede: false }, context);
    case 'start': {
      if (phase.kind !== 'starting' || phase.run !== run) return ignored(state);
      const error = new ConnectionError(
        'serverNotResponding',
        `The tunnel did not start within ${String(context.deadlines.start / 1000)} s` +
          `${state.statusReason === null ? '' : ` (${state.statusReason})`}. ` +
          'Check the server address and that this machine is online.',
      );
      return stopProvider(state, run, { reason: 'connectionFailed', error: serializeError(error) }, context);
    }
    case 'stop':
      if (phase.kind !== 'stopping' || phase.run !== run) return ignored(state);
      return release(state, run, phase.ending);
  }
}

function configurationSaved(
  state: SessionState,
  configuration: ConfigurationFacts,
  context: TransitionContext,
): Transition {
  const saved: SessionState = { ...state, configuration };
  if (!configuration.isEnabled) {
    return stop(saved, { reason: 'configurationDisabled', error: null }, context);
  }
  if (!configuration.retry && state.phase.kind === 'idle' && state.phase.retryAt !== null) {
    return {
      state: { ...saved, phase: { kind: 'idle', retryAt: null }, attempts: 0 },
      effects: [{ kind: 'clearTimer', timer: 'retry' }],
    };
  }
  return { state: saved, effects: [] };
}

function configurationRemoved(state: SessionState, context: TransitionContext): Transition {
  const removed: SessionState = { ...state, configuration: null };
  if (state.phase.kind === 'idle') {
    return {
      state: { ...removed, phase: { kind: 'idle', retryAt: null }, queuedStart: null },
      effects: [{ kind: 'clearTimer', timer: 'retry' }, { kind: 'forget' }],
    };
  }
  return stop(removed, { reason: 'configurationRemoved', error: null }, context);
}

function canRun(configuration: ConfigurationFacts | null): boolean {
  return configuration !== null && configuration.isEnabled && configuration.isAvailable;
}
