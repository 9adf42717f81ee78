import { dirname, resolve } from 'node:path';
import type { IPFamily } from '@sallyport/shared/formats/cidr.ts';
import { NetworkSettingsError } from '@sallyport/shared/protocol/errors.ts';
import type { ResolvedNetworkSettings } from '@sallyport/shared/provider/network-settings.ts';
import type { CategoryLog } from '../log/logger.ts';
import { allocate, priorityOf } from './allocate.ts';
import { ChangeSet, StepError, type OwnedChange } from './change-set.ts';
import { placeOf, type Change, type InterfaceReference } from './change.ts';
import type { ExtensionClaims } from './extension-claims.ts';
import type { Journal } from './journal.ts';
import { effectiveMtu, planNetwork, type Plan, type PlanContext } from './plan.ts';
import { routeClaims } from './route-claims.ts';
import { isSystemError, SystemError, type NetworkSystem, type RuleFact } from './system.ts';
import { leadsToResolved, renderResolvConf } from './tunnel-dns.ts';

/** A session as the network knows it; `fwmark` and `table` come from {@link NetworkController.allocate}. */
export interface NetworkSession {
  readonly id: string;
  readonly interface: InterfaceReference;
  /** Mark of the tunnel's own packets, unless the settings name another. */
  readonly fwmark: number;
  readonly table: number;
}

/** What holds after settings were applied. */
export interface AppliedNetwork {
  readonly mtu: number;
  /** See {@link routeClaims}. */
  readonly claims: readonly string[];
  /** Families that the tunnel takes or blocks altogether. */
  readonly full: readonly IPFamily[];
}

/** The tunnels' share of the system's network. */
export interface NetworkController {
  /** Undoes what an earlier process left; to be called once, before the first session. */
  recover(): Promise<void>;
  /** Makes what belongs to no session hold, such as NetworkManager's leave; null for what was so. */
  setHostChanges(changes: readonly Change[]): Promise<void>;
  /** A mark and a table for a session: the same ones each time, unless somebody else has them now. */
  allocate(sessionId: string): { readonly fwmark: number; readonly table: number };
  /** MTU of a session's interface, or what it would be with no settings. */
  mtu(sessionId: string): number;
  /**
   * Makes the system be as described; null clears.
   *
   * Atomic (contract M7): on failure everything is as before. What stays the same is not touched. A call that a
   * later one of its session or a `clear` overtakes rejects and leaves nothing.
   *
   * @throws {NetworkSettingsError} `networkSettingsInvalid`, `networkSettingsCanceled`, `networkSettingsFailed`
   */
  apply(session: NetworkSession, settings: ResolvedNetworkSettings | null): Promise<AppliedNetwork>;
  /** Lets MTUs that depend on the path follow it; failures are logged. */
  pathChanged(): Promise<void>;
  /** Undoes all of a session. Never throws; logs what could not be undone. */
  clear(sessionId: string): Promise<void>;
  /** Undoes everything. Never throws. */
  close(): Promise<void>;
}

export interface NetworkControllerOptions {
  readonly system: NetworkSystem;
  readonly journal: Journal;
  readonly claims: ExtensionClaims;
  readonly extensionIdentifier: string;
  /** The file that programs read for name servers. */
  readonly resolvConf: string;
  /** Longest time for one `apply`, in milliseconds. */
  readonly deadline: number;
  /** MTU of the physical path; null if there is none. */
  readonly physicalMtu: () => number | null;
  readonly log: CategoryLog;
}

interface Held {
  readonly session: NetworkSession;
  readonly settings: ResolvedNetworkSettings;
  readonly plan: Plan;
}

/** One call of `apply`, which others may end. */
interface Attempt {
  isOvertaken: boolean;
  isLate: boolean;
}

export class SystemNetworkController implements NetworkController {
  readonly #options: NetworkControllerOptions;
  readonly #system: NetworkSystem;
  readonly #log: CategoryLog;
  readonly #changes: ChangeSet;
  readonly #attempts = new Map<string, Attempt>();
  readonly #allocated = new Map<string, number>();
  #held: ReadonlyMap<string, Held> = new Map();
  #host: readonly Change[] = [];
  #foreign: { readonly rules: readonly RuleFact[]; readonly tables: ReadonlySet<number> } = {
    rules: [],
    tables: new Set(),
  };
  /** Operations follow one another: resolv.conf and sysctls are everybody's. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: NetworkControllerOptions) {
    const { system, journal, extensionIdentifier, log } = options;
    this.#options = options;
    this.#system = system;
    this.#log = log;
    this.#changes = new ChangeSet(
      system,
      journal,
      (path) =>
        resolve(dirname(path), `.${extensionIdentifier}.${path.slice(path.lastIndexOf('/') + 1)}.tmp`),
      log,
    );
  }

  recover(): Promise<void> {
    return this.#enqueue(async () => {
      await this.#changes.recover();
      await this.#options.claims.withdraw();
      await this.#lookAround();
    });
  }

  setHostChanges(changes: readonly Change[]): Promise<void> {
    return this.#enqueue(async () => {
      await this.#changes.become(await this.#compose(this.#held, changes), () => undefined);
      this.#host = changes;
    });
  }

  allocate(sessionId: string): { readonly fwmark: number; readonly table: number } {
    const taken = new Set(this.#foreign.tables);
    for (const [id, table] of this.#allocated) if (id !== sessionId) taken.add(table);
    const own = this.#allocated.get(sessionId);
    if (own !== undefined && this.#held.has(sessionId)) return { fwmark: own, table: own };
    const { fwmark, table } = allocate(
      this.#options.extensionIdentifier,
      sessionId,
      this.#foreign.rules,
      taken,
    );
    this.#allocated.set(sessionId, table);
    return { fwmark, table };
  }

  mtu(sessionId: string): number {
    return this.#held.get(sessionId)?.plan.mtu ?? effectiveMtu(null, this.#options.physicalMtu());
  }

  apply(session: NetworkSession, settings: ResolvedNetworkSettings | null): Promise<AppliedNetwork> {
    const attempt = this.#begin(session.id);
    const work = this.#enqueue(() => this.#applyNow(session, settings, attempt));
    return this.#withinDeadline(work, attempt);
  }

  pathChanged(): Promise<void> {
    return this.#enqueue(async () => {
      const held = new Map<string, Held>();
      for (const [id, former] of this.#held) {
        const { session, settings } = former;
        const mtu = effectiveMtu(settings, this.#options.physicalMtu());
        if (mtu === former.plan.mtu) held.set(id, former);
        else held.set(id, { session, settings, plan: withMtu(former.plan, mtu) });
      }
      try {
        await this.#changes.become(await this.#compose(held, this.#host), () => undefined);
        this.#held = held;
      } catch (error) {
        this.#log('warning', `The tunnels' MTU does not follow the path: ${messageOf(error)}`);
      }
    });
  }

  clear(sessionId: string): Promise<void> {
    this.#begin(sessionId);
    return this.#enqueue(async () => {
      this.#attempts.delete(sessionId);
      await this.#clearNow(new Map([...this.#held].filter(([id]) => id !== sessionId)), this.#host);
      this.#allocated.delete(sessionId);
    });
  }

  close(): Promise<void> {
    for (const id of this.#attempts.keys()) this.#begin(id);
    return this.#enqueue(async () => {
      await this.#clearNow(new Map(), []);
      this.#host = [];
      try {
        await this.#options.claims.withdraw();
      } catch (error) {
        this.#log('warning', `The claim for the routes was not withdrawn: ${messageOf(error)}`);
      }
    });
  }

  async #applyNow(
    session: NetworkSession,
    settings: ResolvedNetworkSettings | null,
    attempt: Attempt,
  ): Promise<AppliedNetwork> {
    const check = (): void => {
      refuseEnded(attempt);
    };
    check();
    const held = new Map(this.#held);
    if (settings === null) held.delete(session.id);
    else held.set(session.id, { session, settings, plan: await this.#plan(session, settings) });
    try {
      await this.#claim(held);
      await this.#changes.become(await this.#compose(held, this.#host), check);
    } catch (error) {
      await this.#claimQuietly(this.#held);
      throw explain(error);
    }
    this.#held = held;
    // After the answer: what others hold matters to the next session, not to this one.
    void this.#enqueue(() => this.#lookAroundQuietly());
    const applied = held.get(session.id);
    this.#log('info', applied === undefined ? 'Network settings cleared.' : 'Network settings applied.', {
      session: session.id,
      interface: session.interface.name,
    });
    return {
      mtu: applied?.plan.mtu ?? effectiveMtu(null, this.#options.physicalMtu()),
      claims: settings === null ? [] : routeClaims(settings),
      full: applied?.plan.full ?? [],
    };
  }

  async #clearNow(held: ReadonlyMap<string, Held>, host: readonly Change[]): Promise<void> {
    let wanted: OwnedChange[];
    try {
      wanted = await this.#compose(held, host);
    } catch (error) {
      this.#log('error', `resolv.conf cannot be read and is put back: ${messageOf(error)}`);
      wanted = composeWithoutResolvConf(held, host);
    }
    await this.#changes.becomeAsFarAsPossible(wanted);
    this.#held = held;
    await this.#claimQuietly(held);
    await this.#lookAroundQuietly();
  }

  async #plan(session: NetworkSession, settings: ResolvedNetworkSettings): Promise<Plan> {
    const hasIPv6 = (await this.#system.readSysctl('net/ipv6/conf/all/forwarding')) !== null;
    if (!hasIPv6 && settings.ipv6 !== null) {
      this.#log('warning', 'The kernel has no IPv6; the IPv6 part of the network settings is left out.');
    }
    const context: PlanContext = {
      interface: session.interface,
      fwmark: session.fwmark,
      table: session.table,
      priority: priorityOf(session.table),
      physicalMtu: this.#options.physicalMtu(),
      resolver: settings.dns === null ? { resolved: false, resolvConf: false } : await this.#resolver(),
      hasIPv6,
      strictReversePath: settings.ipv4 !== null && (await this.#isReversePathStrict()),
    };
    return planNetwork(settings, context);
  }

  async #resolver(): Promise<PlanContext['resolver']> {
    if (!(await this.#system.resolvedRuns())) return { resolved: false, resolvConf: true };
    // Programs that resolve names themselves read the file, so it must lead to resolved or to the tunnel.
    return {
      resolved: true,
      resolvConf: !leadsToResolved(await this.#system.readText(this.#options.resolvConf)),
    };
  }

  /** Whether an interface checks strictly; the greater of its own value and the one for all counts. */
  async #isReversePathStrict(): Promise<boolean> {
    const read = (name: string): Promise<string | null> =>
      this.#system.readSysctl(`net/ipv4/conf/${name}/rp_filter`);
    const all = await read('all');
    if (all === '2') return this.#changes.at('sysctl net/ipv4/conf/all/rp_filter') !== null;
    if (all === '1') return true;
    for (const link of await this.#system.links()) if ((await read(link.name)) === '1') return true;
    return false;
  }

  /** All that is to hold, with what several sessions share in it once. */
  async #compose(held: ReadonlyMap<string, Held>, host: readonly Change[]): Promise<OwnedChange[]> {
    const wanted = composeWithoutResolvConf(held, host);
    const wishes = [...held.values()].flatMap(({ plan }) =>
      plan.resolvConf === null ? [] : [plan.resolvConf],
    );
    if (wishes.length === 0) return wanted;
    const { resolvConf, extensionIdentifier } = this.#options;
    const content = renderResolvConf(
      wishes.toReversed(),
      await this.#originalResolvConf(),
      extensionIdentifier,
    );
    if (content === null) return wanted;
    return [...wanted, { session: null, change: { kind: 'file', path: resolvConf, content, reload: null } }];
  }

  /** The system's own resolv.conf, from behind ours if need be. */
  async #originalResolvConf(): Promise<string> {
    const path = this.#options.resolvConf;
    const current = await this.#system.readText(path);
    const ours = this.#changes.at(`file ${path}`);
    if (ours?.change.kind !== 'file' || ours.change.content !== current || ours.before.was !== 'file') {
      return current ?? '';
    }
    const { state } = ours.before;
    if (state.type === 'file') return Buffer.from(state.content, 'base64').toString();
    if (state.type === 'absent') return '';
    return (await this.#system.readText(resolve(dirname(path), state.target))) ?? '';
  }

  /** Publishes what would be held first and looks at others' then: of two at once at least one sees the other. */
  async #claim(held: ReadonlyMap<string, Held>): Promise<void> {
    const claim = claimOf(held);
    await this.#options.claims.publish(claim);
    const other = (await this.#options.claims.others()).find((foreign) =>
      foreign.full.some((family) => claim.full.includes(family)),
    );
    if (other === undefined) return;
    throw new NetworkSettingsError(
      'networkSettingsFailed',
      `The extension ${other.identifier} has a full tunnel already, and only one can be the default route. Disconnect it first.`,
      { details: { extension: other.identifier } },
    );
  }

  async #claimQuietly(held: ReadonlyMap<string, Held>): Promise<void> {
    try {
      await this.#options.claims.publish(claimOf(held));
    } catch (error) {
      this.#log('warning', `Other extensions may not learn which routes are free: ${messageOf(error)}`);
    }
  }

  /** Learns which numbers others use, so that `allocate` need not ask. */
  async #lookAround(): Promise<void> {
    const own = new Set([...this.#held.values()].map(({ session }) => session.table));
    const rules = [...(await this.#system.rules(4)), ...(await this.#system.rules(6))];
    const ownPriorities = new Set([...own].flatMap((table) => [priorityOf(table), priorityOf(table) + 1]));
    const others = await this.#options.claims.others();
    this.#foreign = {
      rules: rules.filter((rule) => !own.has(rule.table) && !ownPriorities.has(rule.priority)),
      tables: new Set(others.flatMap((claim) => claim.tables)),
    };
  }

  async #lookAroundQuietly(): Promise<void> {
    try {
      await this.#lookAround();
    } catch (error) {
      this.#log('warning', `The system's routing rules could not be read: ${messageOf(error)}`);
    }
  }

  #begin(sessionId: string): Attempt {
    const former = this.#attempts.get(sessionId);
    if (former !== undefined) former.isOvertaken = true;
    const attempt: Attempt = { isOvertaken: false, isLate: false };
    this.#attempts.set(sessionId, attempt);
    return attempt;
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** The caller gets its answer in time; what has been begun is rolled back behind it. */
  async #withinDeadline<T>(work: Promise<T>, attempt: Attempt): Promise<T> {
    const { deadline } = this.#options;
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      attempt.isLate = true;
      work.catch((error: unknown) => {
        this.#log('debug', `The late attempt ended: ${messageOf(error)}`);
      });
      reject(late(deadline));
    }, deadline);
    try {
      return await Promise.race([work, promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function composeWithoutResolvConf(held: ReadonlyMap<string, Held>, host: readonly Change[]): OwnedChange[] {
  const shared = new Map<string, Change>();
  for (const change of [...host, ...[...held.values()].flatMap(({ plan }) => plan.shared)]) {
    shared.set(placeOf(change), change);
  }
  return [
    ...[...shared.values()].map((change): OwnedChange => ({ session: null, change })),
    ...[...held].flatMap(([session, { plan }]) =>
      plan.changes.map((change): OwnedChange => ({ session, change })),
    ),
  ];
}

function claimOf(held: ReadonlyMap<string, Held>): { full: IPFamily[]; tables: number[] } {
  const plans = [...held.values()];
  return {
    full: [...new Set(plans.flatMap(({ plan }) => plan.full))],
    tables: plans.map(({ session }) => session.table),
  };
}

function withMtu(plan: Plan, mtu: number): Plan {
  return {
    ...plan,
    mtu,
    changes: plan.changes.map((change) => (change.kind === 'mtu' ? { ...change, mtu } : change)),
  };
}

function refuseEnded(attempt: Attempt): void {
  if (attempt.isOvertaken) {
    throw new NetworkSettingsError(
      'networkSettingsCanceled',
      'Newer network settings or a stop overtook these before they took effect.',
    );
  }
  // The caller has its answer; this one ends the work behind it.
  if (attempt.isLate) throw late(0);
}

function late(deadline: number): NetworkSettingsError {
  return new NetworkSettingsError(
    'networkSettingsFailed',
    `The network settings did not take effect within ${String(deadline)} ms and were taken back.`,
  );
}

/** What a person can do about a refusal of the system. */
function explain(error: unknown): NetworkSettingsError {
  if (error instanceof NetworkSettingsError) return error;
  const cause = error instanceof StepError ? error.cause : error;
  const remedy = isSystemError(cause, 'EXISTS')
    ? 'Another program holds the same; disconnect that one or change the routes.'
    : isSystemError(cause, 'PERMISSION')
      ? 'The helper needs CAP_NET_ADMIN and a writable file there.'
      : isSystemError(cause, 'NOT_FOUND')
        ? 'Something it needs is gone; connect again.'
        : "The helper's log has the details.";
  return new NetworkSettingsError(
    'networkSettingsFailed',
    `The network settings failed at ${messageOf(error)}. Everything is as before. ${remedy}`,
    { details: cause instanceof SystemError ? { code: cause.code } : {}, cause: error },
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
