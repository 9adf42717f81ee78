import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retryDelay } from './backoff.ts';
import {
  initialState,
  runOf,
  statusOf,
  type ConfigurationFacts,
  type Ending,
  type SessionEffect,
  type SessionEvent,
  type SessionState,
} from './state.ts';
import { transition } from './transition.ts';

const enabled: ConfigurationFacts = { isEnabled: true, retry: true, isAvailable: true };
const deadlines = { start: 60_000, stop: 20_000 };
const byPerson: Ending = { reason: 'userInitiated', error: null };
const failed: Ending = {
  reason: 'connectionFailed',
  error: { domain: 'Test', code: 'failed', number: 0, message: 'It failed.' },
};
const request = { options: null, supersede: false };

/** Drives a session the way the interpreter does, with time and run numbers of its own. */
class Driver {
  state: SessionState;
  now = 1000;
  lastRun = 0;
  effects: SessionEffect[] = [];

  constructor(configuration = enabled) {
    this.state = initialState(configuration, null);
  }

  send(event: SessionEvent): readonly SessionEffect[] {
    this.lastRun += 1;
    const { state, effects } = transition(this.state, event, {
      now: this.now,
      nextRun: this.lastRun,
      deadlines,
    });
    this.state = state;
    this.effects.push(...effects);
    return effects;
  }

  get run(): number {
    return runOf(this.state) ?? 0;
  }

  /** Brings a fresh session to `connected`. */
  connect(): void {
    this.send({ kind: 'start', request });
    this.send({ kind: 'prepared', run: this.run });
    this.send({ kind: 'started', run: this.run });
  }
}

const kinds = (effects: readonly SessionEffect[]): string[] => effects.map((effect) => effect.kind);

describe('transition', () => {
  it('[L2] makes a new run for each start and awaits startTunnel within its deadline', () => {
    const driver = new Driver();
    expect(kinds(driver.send({ kind: 'start', request }))).toEqual(['clearTimer', 'prepare']);
    expect(statusOf(driver.state)).toBe('connecting');
    const first = driver.run;
    expect(driver.send({ kind: 'prepared', run: first })).toEqual([
      { kind: 'setTimer', timer: 'start', run: first, delay: 60_000 },
      { kind: 'startProvider', run: first, options: null },
    ]);
    driver.send({ kind: 'started', run: first });
    expect(statusOf(driver.state)).toBe('connected');
    driver.send({ kind: 'stop', ending: byPerson });
    driver.send({ kind: 'stopped', run: first });
    driver.send({ kind: 'released', run: first });
    driver.send({ kind: 'start', request });
    expect(driver.run).not.toBe(first);
  });

  it('[L2] ends a start that passed its deadline with connectionFailed and its reason', () => {
    const driver = new Driver();
    driver.send({ kind: 'start', request });
    driver.send({ kind: 'prepared', run: driver.run });
    driver.send({ kind: 'statusReason', run: driver.run, text: 'the server does not answer' });
    const effects = driver.send({ kind: 'timer', timer: 'start', run: driver.run });
    expect(effects).toContainEqual({ kind: 'stopProvider', run: driver.run, reason: 'connectionFailed' });
    driver.send({ kind: 'stopped', run: driver.run });
    driver.send({ kind: 'released', run: driver.run });
    expect(driver.state.lastEnd?.reason).toBe('connectionFailed');
    expect(driver.state.lastEnd?.error?.message).toContain('the server does not answer');
  });

  it('[L2] releases an instance whose stopTunnel passed its deadline', () => {
    const driver = new Driver();
    driver.connect();
    driver.send({ kind: 'stop', ending: byPerson });
    expect(kinds(driver.send({ kind: 'timer', timer: 'stop', run: driver.run }))).toContain('release');
    expect(statusOf(driver.state)).toBe('disconnecting');
  });

  it('[L12] calls stopTunnel during a suspended startTunnel and ignores the start that settles later', () => {
    const driver = new Driver();
    driver.send({ kind: 'start', request });
    const { run } = driver;
    driver.send({ kind: 'prepared', run });
    expect(kinds(driver.send({ kind: 'stop', ending: byPerson }))).toContain('stopProvider');
    expect(driver.send({ kind: 'started', run })).toEqual([]);
    expect(statusOf(driver.state)).toBe('disconnecting');
    driver.send({ kind: 'stopped', run });
    driver.send({ kind: 'released', run });
    expect(driver.send({ kind: 'started', run })).toEqual([]);
    expect(statusOf(driver.state)).toBe('disconnected');
  });

  it('[L12] ends a canceled session once, with stopTunnel(providerFailed)', () => {
    const driver = new Driver();
    driver.connect();
    const { run } = driver;
    expect(driver.send({ kind: 'providerCanceled', run, error: failed.error })).toContainEqual({
      kind: 'stopProvider',
      run,
      reason: 'providerFailed',
    });
    expect(driver.send({ kind: 'providerCanceled', run, error: failed.error })).toEqual([]);
  });

  it('retries a failed start with growing pauses until the person stops it', () => {
    const driver = new Driver();
    driver.send({ kind: 'start', request });
    const delays: number[] = [];
    for (let attempt = 1; attempt <= 8; attempt += 1) {
      driver.send({ kind: 'prepared', run: driver.run });
      driver.send({ kind: 'startFailed', run: driver.run, ending: failed });
      driver.send({ kind: 'stopped', run: driver.run });
      for (const effect of driver.send({ kind: 'released', run: driver.run })) {
        if (effect.kind === 'setTimer' && effect.timer === 'retry') delays.push(effect.delay);
      }
      expect(statusOf(driver.state)).toBe('disconnected');
      driver.send({ kind: 'timer', timer: 'retry', run: 0 });
      expect(statusOf(driver.state)).toBe('connecting');
    }
    expect(delays).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    driver.send({ kind: 'stop', ending: byPerson });
    driver.send({ kind: 'prepared', run: driver.run });
    driver.send({ kind: 'released', run: driver.run });
    expect(driver.state.phase).toEqual({ kind: 'idle', retryAt: null });
  });

  it('[M3] retries without the consent to stop others that the first start had', () => {
    const driver = new Driver();
    expect(driver.send({ kind: 'start', request: { options: null, supersede: true } })).toContainEqual({
      kind: 'prepare',
      run: driver.run,
      supersede: true,
    });
    driver.send({ kind: 'prepared', run: driver.run });
    driver.send({ kind: 'startFailed', run: driver.run, ending: failed });
    driver.send({ kind: 'stopped', run: driver.run });
    driver.send({ kind: 'released', run: driver.run });
    expect(driver.send({ kind: 'timer', timer: 'retry', run: 0 })).toContainEqual({
      kind: 'prepare',
      run: driver.run,
      supersede: false,
    });
  });

  it('does not retry where the configuration says so', () => {
    const driver = new Driver({ ...enabled, retry: false });
    driver.send({ kind: 'start', request });
    driver.send({ kind: 'prepared', run: driver.run });
    driver.send({ kind: 'startFailed', run: driver.run, ending: failed });
    driver.send({ kind: 'stopped', run: driver.run });
    driver.send({ kind: 'released', run: driver.run });
    expect(driver.state.phase).toEqual({ kind: 'idle', retryAt: null });
  });

  it('a stop by the person during a failing end cancels its retry and keeps its error', () => {
    const driver = new Driver();
    driver.send({ kind: 'start', request });
    driver.send({ kind: 'prepared', run: driver.run });
    driver.send({ kind: 'startFailed', run: driver.run, ending: failed });
    driver.send({ kind: 'stop', ending: byPerson });
    driver.send({ kind: 'stopped', run: driver.run });
    driver.send({ kind: 'released', run: driver.run });
    expect(driver.state.phase).toEqual({ kind: 'idle', retryAt: null });
    expect(driver.state.lastEnd).toMatchObject({ reason: 'userInitiated', error: failed.error });
  });

  it('starts again after a stop that is under way', () => {
    const driver = new Driver();
    driver.connect();
    const first = driver.run;
    driver.send({ kind: 'stop', ending: byPerson });
    driver.send({ kind: 'start', request: { options: { token: 'x' }, supersede: false } });
    driver.send({ kind: 'stopped', run: first });
    expect(kinds(driver.send({ kind: 'released', run: first }))).toContain('prepare');
    const effects = driver.send({ kind: 'prepared', run: driver.run });
    expect(effects).toContainEqual({ kind: 'startProvider', run: driver.run, options: { token: 'x' } });
  });

  it('[M6] stops with configurationDisabled and configurationRemoved, and forgets what was removed', () => {
    const driver = new Driver();
    driver.connect();
    const disabled = driver.send({
      kind: 'configurationSaved',
      configuration: { ...enabled, isEnabled: false },
    });
    expect(disabled).toContainEqual({
      kind: 'stopProvider',
      run: driver.run,
      reason: 'configurationDisabled',
    });

    const other = new Driver();
    other.connect();
    const { run } = other;
    expect(other.send({ kind: 'configurationRemoved' })).toContainEqual({
      kind: 'stopProvider',
      run,
      reason: 'configurationRemoved',
    });
    other.send({ kind: 'stopped', run });
    expect(kinds(other.send({ kind: 'released', run }))).toContain('forget');
  });

  it('[M6] shows a configuration without its provider as invalid and does not start it', () => {
    const driver = new Driver({ ...enabled, isAvailable: false });
    expect(statusOf(driver.state)).toBe('invalid');
    expect(driver.send({ kind: 'start', request })).toEqual([]);
    driver.send({ kind: 'configurationSaved', configuration: enabled });
    expect(statusOf(driver.state)).toBe('disconnected');
  });

  it('[M4] restarts nothing when a configuration is saved under a running tunnel', () => {
    const driver = new Driver();
    driver.connect();
    expect(driver.send({ kind: 'configurationSaved', configuration: enabled })).toEqual([]);
    expect(statusOf(driver.state)).toBe('connected');
  });

  it('reasserts only while connected, and keeps connectedDate', () => {
    const driver = new Driver();
    driver.send({ kind: 'start', request });
    driver.send({ kind: 'prepared', run: driver.run });
    driver.send({ kind: 'reasserting', run: driver.run, value: true });
    expect(statusOf(driver.state)).toBe('connecting');
    driver.send({ kind: 'started', run: driver.run });
    driver.now = 5000;
    driver.send({ kind: 'reasserting', run: driver.run, value: true });
    expect(statusOf(driver.state)).toBe('reasserting');
    expect(driver.state.phase).toMatchObject({ since: 1000 });
    driver.send({ kind: 'reasserting', run: driver.run, value: false });
    expect(statusOf(driver.state)).toBe('connected');
  });
});

const reasons = ['userInitiated', 'superceded', 'configurationDisabled', 'none'] as const;

/** Events as they may arrive: of the present run, or late ones of another. */
const anyEvent = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ make: 'start' } as const) },
  {
    weight: 2,
    arbitrary: fc.record({ make: fc.constant('stop' as const), reason: fc.constantFrom(...reasons) }),
  },
  fc.record({
    make: fc.constant('saved' as const),
    isEnabled: fc.boolean(),
    retry: fc.boolean(),
    isAvailable: fc.boolean(),
  }),
  fc.constant({ make: 'removed' } as const),
  {
    weight: 12,
    arbitrary: fc.record({
      make: fc.constant('answer' as const),
      kind: fc.constantFrom(
        'prepared',
        'prepareFailed',
        'started',
        'startFailed',
        'providerCanceled',
        'stopped',
        'released',
      ),
      isLate: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    }),
  },
  fc.record({ make: fc.constant('reasserting' as const), value: fc.boolean() }),
  {
    weight: 3,
    arbitrary: fc.record({
      make: fc.constant('timer' as const),
      timer: fc.constantFrom('start', 'stop', 'retry'),
    }),
  },
);

describe('transition, any order of events', () => {
  it('[L2, L12, L13] keeps its invariants', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 60 }), (events) => {
        const driver = new Driver();
        const prepared = new Set<number>();
        const starts = new Set<number>();
        const stops = new Set<number>();
        const releases = new Set<number>();
        const armed = new Set<string>();
        let ends = 0;
        for (const event of events) {
          const before = driver.state;
          const beforeRun = runOf(before);
          const effects = driver.send(concrete(event, driver));
          for (const effect of effects) {
            if (effect.kind === 'prepare') {
              // A run begins only where none is: no start without a finished stop (S6).
              expect(beforeRun === null || effects.some((other) => other.kind === 'recordEnd')).toBe(true);
              expect(prepared.has(effect.run)).toBe(false);
              prepared.add(effect.run);
            }
            if (effect.kind === 'startProvider') {
              expect(starts.has(effect.run)).toBe(false);
              starts.add(effect.run);
            }
            if (effect.kind === 'stopProvider') {
              // stopTunnel once, and only for an instance whose startTunnel was called.
              expect(stops.has(effect.run)).toBe(false);
              expect(starts.has(effect.run)).toBe(true);
              stops.add(effect.run);
            }
            if (effect.kind === 'release') {
              expect(releases.has(effect.run)).toBe(false);
              expect(starts.has(effect.run)).toBe(stops.has(effect.run));
              releases.add(effect.run);
            }
            if (effect.kind === 'recordEnd') ends += 1;
            if (effect.kind === 'setTimer') armed.add(effect.timer);
            if (effect.kind === 'clearTimer') armed.delete(effect.timer);
          }
          const { phase } = driver.state;
          expect(armed.has('stop') || phase.kind !== 'stopping').toBe(true);
          expect(armed.has('start') || phase.kind !== 'starting').toBe(true);
          if (phase.kind === 'idle' && phase.retryAt !== null) expect(armed.has('retry')).toBe(true);
          if (phase.kind !== 'idle') expect(armed.has('retry')).toBe(false);
          // From connecting and ending no way leads through connected (S5).
          if (phase.kind === 'connected') {
            expect(['starting', 'connected']).toContain(before.phase.kind);
          }
        }
        expect(ends).toBe(releases.size - (driver.state.phase.kind === 'releasing' ? 1 : 0));
      }),
      { numRuns: 3000 },
    );
  });

  it('comes to rest: whatever happened, a stop and its answers end in disconnected or invalid', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 40 }), (events) => {
        const driver = new Driver();
        for (const event of events) driver.send(concrete(event, driver));
        driver.send({ kind: 'stop', ending: byPerson });
        driver.send({ kind: 'prepared', run: driver.run });
        driver.send({ kind: 'timer', timer: 'stop', run: driver.run });
        driver.send({ kind: 'released', run: driver.run });
        expect(driver.state.phase).toEqual({ kind: 'idle', retryAt: null });
      }),
      { numRuns: 2000 },
    );
  });

  it('backs off monotonically within its bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), (attempt) => {
        expect(retryDelay(attempt)).toBeGreaterThanOrEqual(1000);
        expect(retryDelay(attempt)).toBeLessThanOrEqual(60_000);
        expect(retryDelay(attempt + 1)).toBeGreaterThanOrEqual(retryDelay(attempt));
      }),
    );
  });
});

type Generated = typeof anyEvent extends fc.Arbitrary<infer T> ? T : never;

function concrete(event: Generated, driver: Driver): SessionEvent {
  switch (event.make) {
    case 'start':
      return { kind: 'start', request };
    case 'stop':
      return { kind: 'stop', ending: { reason: event.reason, error: null } };
    case 'saved':
      return {
        kind: 'configurationSaved',
        configuration: { isEnabled: event.isEnabled, retry: event.retry, isAvailable: event.isAvailable },
      };
    case 'removed':
      return { kind: 'configurationRemoved' };
    case 'reasserting':
      return { kind: 'reasserting', run: driver.run, value: event.value };
    case 'timer':
      return { kind: 'timer', timer: event.timer, run: driver.run };
    case 'answer': {
      const run = event.isLate ? driver.run - 1 : driver.run;
      switch (event.kind) {
        case 'prepareFailed':
        case 'startFailed':
          return { kind: event.kind, run, ending: failed };
        case 'providerCanceled':
          return { kind: 'providerCanceled', run, error: failed.error };
        case 'prepared':
        case 'started':
        case 'stopped':
        case 'released':
          return { kind: event.kind, run };
      }
    }
  }
}
