import type { CategoryLog } from '../log/logger.ts';
import { beforeReplacement, inspect, make, undo, type Workshop } from './apply-change.ts';
import {
  describe,
  outlivesReboot,
  placeOf,
  type Before,
  type Change,
  type InterfaceReference,
} from './change.ts';
import type { Journal, JournalEntry } from './journal.ts';
import { difference, type Step } from './plan.ts';
import { isSystemError, SystemError, type NetworkSystem } from './system.ts';

/** A change and the session that it is for; null where several sessions or the helper itself want it. */
export interface OwnedChange {
  readonly session: string | null;
  readonly change: Change;
}

interface Made extends OwnedChange {
  readonly before: Before;
  /** Its number in the journal; null where it was so already. */
  readonly entry: number | null;
}

/** A step that failed, with the change that it was about. */
export class StepError extends Error {
  override readonly name = 'StepError';
  readonly change: Change;

  constructor(change: Change, cause: unknown) {
    super(`${describe(change)}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.change = change;
  }
}

/**
 * The changes that hold in the system by our doing, and the only way to alter them: journal first, then the system,
 * all or nothing. Callers must not overlap.
 */
export class ChangeSet {
  readonly #system: NetworkSystem;
  readonly #journal: Journal;
  readonly #log: CategoryLog;
  readonly #workshop: Workshop;
  #made = new Map<string, Made>();

  /** @param temporary a path beside a file, always the same, that nobody else uses */
  constructor(
    system: NetworkSystem,
    journal: Journal,
    temporary: (path: string) => string,
    log: CategoryLog,
  ) {
    this.#system = system;
    this.#journal = journal;
    this.#log = log;
    this.#workshop = {
      system,
      temporary,
      warn: (message) => {
        log('warning', message);
      },
    };
  }

  /** What holds at a place by our doing, and what was there before. */
  at(place: string): { readonly change: Change; readonly before: Before } | null {
    return this.#made.get(place) ?? null;
  }

  /**
   * Makes the system so that exactly these changes hold; on failure exactly the former ones do.
   *
   * @param check called before each step and after the last; what it throws ends the attempt
   * @throws what `check` threw, {@link StepError}, or the journal's error
   */
  async become(wanted: readonly OwnedChange[], check: () => void): Promise<void> {
    const steps = this.#steps(wanted);
    check();
    const arriving = await this.#announce(steps, wanted);
    const begun: Step[] = [];
    try {
      for (const step of steps) {
        check();
        begun.push(step);
        await this.#perform(step, arriving);
      }
      await this.#restoreFlushed(steps, wanted);
      check();
    } catch (error) {
      await this.#rollBack(begun, arriving, error);
      throw error;
    }
    await this.#settle(steps, wanted, arriving, new Set());
  }

  /** Like {@link become}, but goes on past failures, logs them and leaves them to the next start's recovery. */
  async becomeAsFarAsPossible(wanted: readonly OwnedChange[]): Promise<void> {
    let steps = this.#steps(wanted);
    let arriving: ReadonlyMap<string, Made> = new Map();
    try {
      arriving = await this.#announce(steps, wanted);
    } catch (error) {
      this.#log('error', `Only removals are possible now: ${messageOf(error)}`);
      steps = steps.filter((step) => step.do === 'remove');
    }
    const failed = new Set<string>();
    for (const step of steps) {
      try {
        await this.#perform(step, arriving);
      } catch (error) {
        failed.add(placeOf(step.change));
        this.#log('error', `Not undone, and left to the next start: ${messageOf(error)}`);
      }
    }
    await this.#settle(steps, wanted, arriving, failed);
  }

  /** Undoes all that the journal holds, newest first. To be called before anything is made. */
  async recover(): Promise<void> {
    const pending = this.#journal.pending;
    if (pending.length === 0) return;
    const links = new Set((await this.#system.links()).map(linkKey));
    const places = pending.map((entry) => placeOf(entry.change));
    const undone: number[] = [];
    for (const entry of pending.toReversed()) {
      try {
        if (this.#isGone(entry, links)) {
          undone.push(entry.id);
          continue;
        }
        const outcome = await undo(this.#workshop, entry.change, entry.before);
        undone.push(entry.id);
        const place = placeOf(entry.change);
        if (outcome === 'kept' && places.filter((other) => other === place).length === 1)
          this.#logKept(entry.change);
      } catch (error) {
        this.#log('error', `${describe(entry.change)} could not be undone: ${messageOf(error)}`, {
          session: entry.session,
        });
      }
    }
    await this.#journal.settle([], undone);
    this.#log('notice', 'Undid what an earlier run of the helper had left in the network.', {
      changes: undone.length,
      remaining: pending.length - undone.length,
    });
  }

  /** Whether a change went by itself: with the boot, or with its interface. */
  #isGone(entry: JournalEntry, links: ReadonlySet<string>): boolean {
    if (!this.#journal.isOfThisSystem(entry)) return !outlivesReboot(entry.change);
    const link = 'interface' in entry.change ? entry.change.interface : null;
    return link !== null && !links.has(linkKey(link));
  }

  #steps(wanted: readonly OwnedChange[]): Step[] {
    return difference(
      [...this.#made.values()].map((made) => made.change),
      wanted.map((owned) => owned.change),
    );
  }

  /** Looks at what is there, and puts it with the change into the journal. */
  async #announce(
    steps: readonly Step[],
    wanted: readonly OwnedChange[],
  ): Promise<ReadonlyMap<string, Made>> {
    const arrivals = steps.filter((step) => step.do !== 'remove');
    const owners = new Map(wanted.map((owned) => [placeOf(owned.change), owned.session]));
    const inspected = await inspect(
      this.#system,
      arrivals.map((step) => step.change),
    );
    const planned = arrivals.map((step, index): Omit<Made, 'entry'> => {
      const found = inspected[index] ?? { was: 'nothing' };
      const place = placeOf(step.change);
      const former = step.do === 'replace' ? this.#made.get(place) : undefined;
      const before = former === undefined ? found : beforeReplacement(found, former.change, former.before);
      return { session: owners.get(place) ?? null, change: step.change, before };
    });
    const ours = planned.filter(({ before }) => before.was !== 'same');
    const numbers = await this.#journal.will(ours);
    const entries = new Map(ours.map((made, index) => [made, numbers[index] ?? null]));
    return new Map(
      planned.map((made) => [placeOf(made.change), { ...made, entry: entries.get(made) ?? null }]),
    );
  }

  async #perform(step: Step, arriving: ReadonlyMap<string, Made>): Promise<void> {
    const place = placeOf(step.change);
    try {
      if (step.do === 'remove') {
        const made = this.#made.get(place);
        if (made === undefined) return;
        const outcome = await undo(this.#workshop, made.change, made.before);
        if (outcome === 'kept') this.#logKept(step.change);
      } else if (arriving.get(place)?.before.was !== 'same') {
        await make(this.#workshop, step.change, step.do === 'replace' ? step.previous : null);
      }
    } catch (error) {
      throw new StepError(step.change, error);
    }
  }

  /** The kernel takes an interface's IPv4 routes away with its last IPv4 address; those still wanted come back. */
  async #restoreFlushed(steps: readonly Step[], wanted: readonly OwnedChange[]): Promise<void> {
    const links = new Set(
      steps.flatMap(({ change }) => (change.kind === 'address' ? [linkKey(change.interface)] : [])),
    );
    if (!steps.some((step) => step.do === 'remove' && step.change.kind === 'address')) return;
    const routes = wanted
      .map((owned) => owned.change)
      .filter((change) => change.kind === 'route')
      .filter((route) => route.interface !== null && links.has(linkKey(route.interface)));
    const found = await inspect(this.#system, routes);
    for (const [index, route] of routes.entries()) {
      if (found[index]?.was !== 'nothing') continue;
      try {
        await make(this.#workshop, route, null);
      } catch (error) {
        throw new StepError(route, error);
      }
    }
  }

  async #rollBack(
    begun: readonly Step[],
    arriving: ReadonlyMap<string, Made>,
    reason: unknown,
  ): Promise<void> {
    const stuck = new Set<number>();
    const last = begun.at(-1);
    for (const step of begun.toReversed()) {
      const arrived = arriving.get(placeOf(step.change));
      // What was there already when we came to make it is not ours to remove.
      if (step === last && step.do === 'make' && isSystemError(causeOf(reason), 'EXISTS')) continue;
      try {
        await this.#reverse(step, arrived);
      } catch (error) {
        if (arrived !== undefined && arrived.entry !== null) stuck.add(arrived.entry);
        this.#log('error', `${describe(step.change)} could not be brought back: ${messageOf(error)}`);
      }
    }
    try {
      const former = [...this.#made.values()];
      await this.#restoreFlushed(
        begun.map((step) => ({ do: 'remove', change: step.change })),
        former,
      );
    } catch (error) {
      this.#log('error', `A route could not be brought back: ${messageOf(error)}`);
    }
    const undone = [...arriving.values()].flatMap((made) =>
      made.entry === null || stuck.has(made.entry) ? [] : [made.entry],
    );
    await this.#note([], undone);
  }

  async #reverse(step: Step, arrived: Made | undefined): Promise<void> {
    const former = this.#made.get(placeOf(step.change));
    if (step.do === 'make') {
      if (arrived !== undefined) await undo(this.#workshop, arrived.change, arrived.before);
    } else if (step.do === 'replace') {
      if (arrived?.before.was !== 'same') await unlessThere(make(this.#workshop, step.previous, step.change));
    } else if (former !== undefined && former.before.was !== 'same') {
      await unlessThere(make(this.#workshop, former.change, null));
    }
  }

  /** Takes the new state over; the journal forgets what was removed or replaced. */
  async #settle(
    steps: readonly Step[],
    wanted: readonly OwnedChange[],
    arriving: ReadonlyMap<string, Made>,
    failed: ReadonlySet<string>,
  ): Promise<void> {
    const former = this.#made;
    const done: number[] = [];
    const undone: number[] = [];
    for (const step of steps) {
      const place = placeOf(step.change);
      if (failed.has(place)) continue;
      const [entry, formerEntry] = [arriving.get(place)?.entry ?? null, former.get(place)?.entry ?? null];
      if (step.do !== 'remove' && entry !== null) done.push(entry);
      if (step.do !== 'make' && formerEntry !== null) undone.push(formerEntry);
    }
    this.#made = new Map(
      wanted.flatMap((owned): [string, Made][] => {
        const place = placeOf(owned.change);
        const made = (failed.has(place) ? undefined : arriving.get(place)) ?? former.get(place);
        return made === undefined ? [] : [[place, { ...made, session: owned.session }]];
      }),
    );
    await this.#note(done, undone);
  }

  /** A note that is lost makes recovery undo something twice, which does no harm. */
  async #note(done: readonly number[], undone: readonly number[]): Promise<void> {
    try {
      await this.#journal.settle(done, undone);
    } catch (error) {
      this.#log('warning', `The network journal could not be brought up to date: ${messageOf(error)}`);
    }
  }

  #logKept(change: Change): void {
    this.#log('notice', `${describe(change)} was changed by another program meanwhile and is left as it is.`);
  }
}

function linkKey(link: InterfaceReference): string {
  return `${String(link.index)} ${link.name}`;
}

function causeOf(error: unknown): unknown {
  return error instanceof StepError ? error.cause : error;
}

async function unlessThere(addition: Promise<void>): Promise<void> {
  try {
    await addition;
  } catch (error) {
    if (!(error instanceof SystemError && error.code === 'EXISTS')) throw error;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
