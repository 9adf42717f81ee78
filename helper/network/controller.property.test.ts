import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isError } from '@sallyport/shared/protocol/errors.ts';
import type { ResolvedNetworkSettings } from '@sallyport/shared/provider/network-settings.ts';
import type { SystemNetworkController } from './controller.ts';
import { MemoryNetworkSystem } from './memory-system.ts';
import { unmanagedByNetworkManager } from './network-manager.ts';
import { SystemError } from './system.ts';
import {
  MemoryJournalStorage,
  routesTo,
  sessionOf,
  settingsOf,
  startController,
  textFile,
} from './testing.ts';

const resolvConf = '/etc/resolv.conf';
const hostChange = unmanagedByNetworkManager('com.example.tunnel', 'sp');

interface Surroundings {
  readonly file: 'file' | 'symlink' | 'mount' | 'absent';
  readonly hasResolved: boolean;
  readonly srcValidMark: '0' | '1';
  readonly reversePath: '0' | '1' | '2';
}

type Trouble = { readonly kind: 'none' } | { readonly kind: 'error' | 'death'; readonly at: number };
type Command =
  | {
      readonly do: 'apply';
      readonly session: 0 | 1;
      readonly settings: ResolvedNetworkSettings | null;
      readonly trouble: Trouble;
    }
  | { readonly do: 'clear'; readonly session: 0 | 1; readonly trouble: Trouble }
  | {
      readonly do: 'overtake';
      readonly session: 0 | 1;
      readonly settings: ResolvedNetworkSettings;
      readonly by: ResolvedNetworkSettings | null;
    };

const surroundings: fc.Arbitrary<Surroundings> = fc.record({
  file: fc.constantFrom('file', 'symlink', 'mount', 'absent'),
  hasResolved: fc.boolean(),
  srcValidMark: fc.constantFrom('0', '1'),
  reversePath: fc.constantFrom('0', '1', '2'),
});

const route4 = fc.constantFrom(
  '0.0.0.0/0',
  '0.0.0.0/1',
  '128.0.0.0/1',
  '10.0.0.0/8',
  '10.1.0.0/16',
  '192.0.2.0/24',
);
const route6 = fc.constantFrom('::/0', '2000::/3', 'fd00::/8', 'fd00:1::/32');
const subset = (from: fc.Arbitrary<string>): fc.Arbitrary<{ destination: string }[]> =>
  fc.uniqueArray(from, { maxLength: 3 }).map((routes) => routesTo(...routes));

const settings: fc.Arbitrary<ResolvedNetworkSettings> = fc
  .record({
    ipv4: fc.option(
      fc.record({
        addresses: fc.subarray(['10.0.0.2/32', '10.0.0.3/24', '10.9.0.1/16']),
        includedRoutes: subset(route4),
        excludedRoutes: subset(route4),
      }),
    ),
    ipv6: fc.option(
      fc.record({
        addresses: fc.subarray(['fd00::2/128', 'fd00:5::1/64']),
        includedRoutes: subset(route6),
        excludedRoutes: subset(route6),
      }),
    ),
    dns: fc.option(
      fc.record({
        servers: fc.subarray(['10.0.0.53', '10.0.0.54', 'fd00::53'], { minLength: 1 }),
        matchDomains: fc.option(fc.subarray(['', 'corp.example'])),
        searchDomains: fc.subarray(['a.example', 'b.example']),
      }),
    ),
    mtu: fc.option(fc.constantFrom(1280, 1380, 1500)),
    routing: fc.record({
      table: fc.constantFrom('auto' as const, 'auto' as const, 'auto' as const, 'off' as const, 1234),
      fwmark: fc.option(fc.constant(51_820)),
      blockOtherFamily: fc.boolean(),
    }),
  })
  .map(settingsOf);

const trouble: fc.Arbitrary<Trouble> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Trouble>({ kind: 'none' }) },
  fc.record({ kind: fc.constantFrom('error', 'death'), at: fc.integer({ min: 0, max: 60 }) }),
);
const session = fc.constantFrom(0 as const, 1 as const);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('apply'), session, settings: fc.option(settings), trouble }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear'), session, trouble }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('overtake'), session, settings, by: fc.option(settings) }),
  },
);

/** A machine whose helper dies with -9 and is started again. */
class Machine {
  readonly system = new MemoryNetworkSystem();
  readonly storage = new MemoryJournalStorage();
  isDead = false;
  #controller: SystemNetworkController | null = null;
  #generation = 0;
  #countdown: { left: number; readonly kind: 'error' | 'death' } | null = null;

  constructor(given: Surroundings) {
    const { system, storage } = this;
    system.hasResolved = given.hasResolved;
    system.sysctls.set('net/ipv4/conf/all/src_valid_mark', given.srcValidMark);
    system.sysctls.set('net/ipv4/conf/all/rp_filter', given.reversePath);
    system.sysctls.set('net/ipv6/conf/all/forwarding', '0');
    const original = textFile('search lan.example\nnameserver 192.168.1.1\n');
    if (given.file === 'symlink') {
      system.files.set('/run/resolv.conf', original);
      system.files.set(resolvConf, { type: 'symlink', target: '../run/resolv.conf' });
    } else if (given.file !== 'absent') system.files.set(resolvConf, original);
    if (given.file === 'mount') system.mounts.add(resolvConf);
    system.before = () => {
      this.#count();
    };
    system.after = () => {
      this.#count();
    };
    storage.onAppend = (text) => {
      const wasAlive = !this.isDead;
      try {
        this.#count();
      } catch (error) {
        // A write that a death or a full disk cuts short.
        if (wasAlive) storage.text += text.slice(0, text.length >> 1);
        throw error;
      }
    };
  }

  get controller(): SystemNetworkController {
    if (this.#controller === null) throw new Error('start() first');
    return this.#controller;
  }

  /** Interfaces of this run have other indexes than those of the last. */
  session(number: 0 | 1): ReturnType<typeof sessionOf> {
    return { ...sessionOf(String(number), 10 * this.#generation + number), table: 0x5a11_0000 + number };
  }

  async start(): Promise<void> {
    this.isDead = false;
    this.#generation += 1;
    const { controller } = await startController(this.system, this.storage);
    await controller.recover();
    this.#controller = controller;
    for (const number of [0, 1] as const) this.system.addLink(this.session(number).interface);
  }

  /** TUN devices go with the process that holds them. */
  die(): void {
    this.isDead = true;
    for (const number of [0, 1] as const) this.system.removeLink(this.session(number).interface.index);
  }

  expect(given: Trouble): void {
    this.#countdown = given.kind === 'none' ? null : { left: given.at, kind: given.kind };
  }

  #count(): void {
    if (this.isDead) throw new Error('dead');
    if (this.#countdown === null) return;
    if (this.#countdown.left > 0) {
      this.#countdown.left -= 1;
      return;
    }
    const { kind } = this.#countdown;
    this.#countdown = null;
    if (kind === 'error') throw new SystemError('FAILED', 'no luck');
    this.die();
    throw new Error('dead');
  }
}

async function outcomeOf(work: Promise<unknown>): Promise<'resolved' | 'canceled' | 'failed'> {
  try {
    await work;
    return 'resolved';
  } catch (error) {
    return isError(error, 'NetworkSettingsError', 'networkSettingsCanceled') ? 'canceled' : 'failed';
  }
}

async function run(machine: Machine, step: Command): Promise<void> {
  const { controller, system } = machine;
  const target = machine.session(step.session);
  const before = system.snapshot();
  if (step.do === 'overtake') {
    const first = outcomeOf(controller.apply(target, step.settings));
    const second = outcomeOf(
      step.by === null ? controller.clear(target.id) : controller.apply(target, step.by),
    );
    expect(await first).toBe('canceled');
    await second;
    return;
  }
  machine.expect(step.trouble);
  if (step.do === 'clear') {
    await controller.clear(target.id);
  } else {
    const outcome = await outcomeOf(controller.apply(target, step.settings));
    if (outcome !== 'resolved' && !machine.isDead) expect(system.snapshot()).toBe(before);
  }
  machine.expect({ kind: 'none' });
  if (machine.isDead) await machine.start();
}

describe('any sequence of settings, stops, failures and deaths', () => {
  it('[F1, M7] fails without a trace, and leaves the system as it was found', async () => {
    await fc.assert(
      fc.asyncProperty(
        surroundings,
        fc.array(command, { maxLength: 8 }),
        fc.boolean(),
        async (given, steps, dies) => {
          const machine = new Machine(given);
          const untouched = machine.system.snapshot();
          await machine.start();
          await machine.controller.setHostChanges([hostChange]);
          for (const step of steps) await run(machine, step);
          if (dies) {
            machine.die();
            await machine.start();
          } else {
            await machine.controller.close();
            // What a failed clear could not undo waits for the next start.
            machine.die();
            await machine.start();
          }
          machine.die();
          expect(machine.system.snapshot()).toBe(untouched);
          expect(machine.storage.text).toBe('');
        },
      ),
      { numRuns: 1500 },
    );
  }, 120_000);

  it('[F1] recovery itself may die at every step', async () => {
    await fc.assert(
      fc.asyncProperty(surroundings, settings, async (given, wanted) => {
        const template = new Machine(given);
        const untouched = template.system.snapshot();
        for (let at = 0; ; at += 1) {
          const machine = new Machine(given);
          await machine.start();
          await machine.controller.apply(machine.session(0), wanted);
          machine.die();
          machine.expect({ kind: 'death', at });
          await outcomeOf(machine.start());
          const wasCut = machine.isDead;
          machine.expect({ kind: 'none' });
          if (wasCut) await machine.start();
          machine.die();
          expect(machine.system.snapshot()).toBe(untouched);
          expect(machine.storage.text).toBe('');
          if (!wasCut) break;
        }
      }),
      { numRuns: 40 },
    );
  }, 120_000);
});
