import { parseCIDR, type IPFamily } from '@sallyport/shared/formats/cidr.ts';
import {
  type Before,
  type Change,
  type ChangeOf,
  type FileState,
  type InterfaceReference,
  type RouteChange,
  type RuleChange,
} from './change.ts';
import {
  isSystemError,
  SystemError,
  type Link,
  type NetworkSystem,
  type RouteFact,
  type RuleFact,
  type SystemErrorCode,
} from './system.ts';

const nothing: Before = { was: 'nothing' };
const same: Before = { was: 'same' };

/**
 * What is at the places of changes now. Asks each table once, however many routes it is to get.
 *
 * @throws {SystemError} `NOT_FOUND`: a place does not exist
 */
export async function inspect(system: NetworkSystem, changes: readonly Change[]): Promise<Before[]> {
  const links = remember(() => system.links());
  const addresses = rememberEach((index: number, link: InterfaceReference) =>
    system.addresses({ ...link, index }),
  );
  const routes = rememberEach(async (_key: string, route: RouteChange) => {
    const facts = await system.routes(familyOf(route), route.table);
    return new Set(facts.map(routeKey));
  });
  const rules = rememberEach((family: IPFamily) => system.rules(family));
  const found: Before[] = [];
  for (const change of changes) {
    switch (change.kind) {
      case 'mtu': {
        const { mtu } = linkOf(await links(), change.interface);
        found.push(mtu === change.mtu ? same : { was: 'value', value: String(mtu) });
        break;
      }
      case 'up':
        found.push(linkOf(await links(), change.interface).up ? same : { was: 'value', value: 'down' });
        break;
      case 'address': {
        const present = await addresses(change.interface.index, change.interface);
        found.push(present.includes(change.address) ? same : nothing);
        break;
      }
      case 'route': {
        const present = await routes(`${String(familyOf(change))} ${String(change.table)}`, change);
        found.push(present.has(routeKey(wantedRoute(change))) ? same : nothing);
        break;
      }
      case 'rule': {
        const present = await rules(change.family, change);
        found.push(present.some((fact) => isRule(fact, change)) ? same : nothing);
        break;
      }
      case 'sysctl':
        found.push(await inspectSysctl(system, change));
        break;
      case 'resolved':
        found.push(nothing);
        break;
      case 'file': {
        const state = await system.readFile(change.path);
        found.push(holds(state, change.content) ? same : { was: 'file', state });
        break;
      }
    }
  }
  return found;
}

async function inspectSysctl(system: NetworkSystem, change: ChangeOf<'sysctl'>): Promise<Before> {
  const value = await system.readSysctl(change.name);
  if (value === change.value) return same;
  if (value !== null) return { was: 'value', value };
  // Nothing to set and so nothing to undo: a kernel without it needs it not.
  if (change.optional) return same;
  throw new SystemError('NOT_FOUND', `There is no sysctl ${change.name}.`);
}

/**
 * The former state that a replacement has to go back to: that of the change it replaces, as long as nobody else
 * came between.
 */
export function beforeReplacement(inspected: Before, previous: Change, previousBefore: Before): Before {
  if (previousBefore.was === 'same') return inspected;
  if (inspected.was === 'value') return inspected.value === valueOf(previous) ? previousBefore : inspected;
  if (inspected.was === 'file') {
    return previous.kind === 'file' && isOurs(inspected.state, previous, previousBefore)
      ? previousBefore
      : inspected;
  }
  return inspected.was === 'same' ? same : previousBefore;
}

export interface Workshop {
  readonly system: NetworkSystem;
  /** A path beside a file that may be used while it is replaced. */
  readonly temporary: (path: string) => string;
  /** Told of what went wrong without being a reason to fail. */
  readonly warn: (message: string) => void;
}

/**
 * Makes a change true.
 *
 * @param replaced the change that held its place until now
 * @throws {SystemError}
 */
export async function make(workshop: Workshop, change: Change, replaced: Change | null): Promise<void> {
  const { system, temporary } = workshop;
  switch (change.kind) {
    case 'mtu':
      return system.setMtu(change.interface, change.mtu);
    case 'up':
      return system.setUp(change.interface, true);
    case 'address':
      return system.addAddress(change.interface, change.address);
    case 'route':
      if (replaced?.kind === 'route') await unlessGone(system.removeRoute(replaced));
      return system.addRoute(change);
    case 'rule':
      return system.addRule(change);
    case 'sysctl':
      return writeSysctl(workshop, change);
    case 'resolved':
      return system.setResolved(change);
    case 'file':
      await system.replaceFile(change.path, ourFile(change), temporary(change.path));
      return reload(workshop, change);
  }
}

/** How an undoing ended: `kept` where somebody else has changed it since, whose it then is. */
export type Undoing = 'undone' | 'kept';

/**
 * Brings back what was before a change, whether or not it was made, once or twice. What is gone already is undone.
 *
 * @throws {SystemError}
 */
export async function undo(workshop: Workshop, change: Change, before: Before): Promise<Undoing> {
  const { system } = workshop;
  if (before.was === 'same') return 'undone';
  switch (change.kind) {
    case 'mtu': {
      const link = (await system.links()).find((other) => isLink(other, change.interface));
      if (link === undefined || before.was !== 'value') return 'undone';
      if (link.mtu !== change.mtu) return String(link.mtu) === before.value ? 'undone' : 'kept';
      await unlessGone(system.setMtu(change.interface, Number(before.value)));
      return 'undone';
    }
    case 'up':
      await unlessGone(system.setUp(change.interface, false));
      return 'undone';
    case 'address':
      await unlessGone(system.removeAddress(change.interface, change.address));
      return 'undone';
    case 'route':
      await unlessGone(system.removeRoute(change));
      return 'undone';
    case 'rule':
      await unlessGone(system.removeRule(change));
      return 'undone';
    case 'sysctl': {
      const value = await system.readSysctl(change.name);
      if (value === null || before.was !== 'value' || value === before.value) return 'undone';
      if (value !== change.value) return 'kept';
      await unlessGone(system.writeSysctl(change.name, before.value));
      return 'undone';
    }
    case 'resolved':
      // Without resolved nobody uses what it was told.
      await unlessGone(system.revertResolved(change.interface), 'UNAVAILABLE');
      return 'undone';
    case 'file':
      return undoFile(workshop, change, before);
  }
}

async function undoFile(workshop: Workshop, change: ChangeOf<'file'>, before: Before): Promise<Undoing> {
  const { system } = workshop;
  const temporary = workshop.temporary(change.path);
  const former: FileState = before.was === 'file' ? before.state : { type: 'absent', hadDirectory: true };
  const state = await system.readFile(change.path);
  if (sameFile(state, former)) {
    // A crash may have left the temporary file of a replacement that never came to be.
    await system.removeTemporary(temporary);
    return 'undone';
  }
  if (!isOurs(state, change, before)) {
    await system.removeTemporary(temporary);
    return 'kept';
  }
  await system.replaceFile(change.path, former, temporary);
  await reload(workshop, change);
  return 'undone';
}

/**
 * Whether a path holds what we put there, be it half written or half restored in place: a beginning of either. An
 * empty file is a beginning too; whoever else emptied it loses nothing by its coming back.
 */
function isOurs(state: FileState, change: ChangeOf<'file'>, before: Before): boolean {
  if (state.type !== 'file') return false;
  if (holds(state, change.content)) return true;
  if (before.was !== 'file' || before.state.type !== 'file') return false;
  const now = Buffer.from(state.content, 'base64');
  return [Buffer.from(change.content), Buffer.from(before.state.content, 'base64')].some(
    (text) => now.length < text.length && now.equals(text.subarray(0, now.length)),
  );
}

function ourFile(change: ChangeOf<'file'>): FileState {
  return {
    type: 'file',
    content: Buffer.from(change.content).toString('base64'),
    mode: 0o644,
    uid: 0,
    gid: 0,
  };
}

function holds(state: FileState, content: string): boolean {
  return state.type === 'file' && Buffer.from(state.content, 'base64').equals(Buffer.from(content));
}

function sameFile(left: FileState, right: FileState): boolean {
  if (left.type === 'symlink' && right.type === 'symlink') return left.target === right.target;
  if (left.type === 'file' && right.type === 'file') return left.content === right.content;
  return left.type === 'absent' && right.type === 'absent';
}

/** The file is in its place; that a service has not read it yet is no reason to take it away again. */
async function reload({ system, warn }: Workshop, change: ChangeOf<'file'>): Promise<void> {
  if (change.reload !== 'networkManager') return;
  try {
    await system.reloadNetworkManager();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    warn(`NetworkManager did not read ${change.path} again: ${error.message}`);
  }
}

async function writeSysctl({ system, warn }: Workshop, change: ChangeOf<'sysctl'>): Promise<void> {
  try {
    await system.writeSysctl(change.name, change.value);
  } catch (error) {
    if (!change.optional || !(error instanceof SystemError)) throw error;
    warn(`The sysctl ${change.name} stays as it is, and ${change.value} was wanted: ${error.message}`);
  }
}

async function unlessGone(removal: Promise<void>, ...alsoGone: SystemErrorCode[]): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!['NOT_FOUND' as const, ...alsoGone].some((code) => isSystemError(error, code))) throw error;
  }
}

function valueOf(change: Change): string | null {
  if (change.kind === 'mtu') return String(change.mtu);
  return change.kind === 'sysctl' ? change.value : null;
}

function linkOf(links: readonly Link[], wanted: InterfaceReference): Link {
  const link = links.find((other) => isLink(other, wanted));
  if (link !== undefined) return link;
  throw new SystemError(
    'NOT_FOUND',
    `There is no interface ${wanted.name} with index ${String(wanted.index)}.`,
  );
}

function isLink(link: InterfaceReference, wanted: InterfaceReference): boolean {
  return link.index === wanted.index && link.name === wanted.name;
}

function familyOf(route: RouteChange): IPFamily {
  return parseCIDR(route.destination).family;
}

function wantedRoute(change: RouteChange): RouteFact {
  const { destination, table, type, metric, gateway } = change;
  return { destination, table, type, metric, gateway, interface: change.interface?.index ?? null };
}

/** IPv6 hangs routes that lead nowhere on the loopback interface; that is no difference. */
function routeKey(route: RouteFact): string {
  const { destination, table, type, metric, gateway } = route;
  return JSON.stringify([
    destination,
    table,
    type,
    metric,
    gateway,
    type === 'unicast' ? route.interface : null,
  ]);
}

function isRule(fact: RuleFact, wanted: RuleChange): boolean {
  return (
    fact.plain &&
    fact.priority === wanted.priority &&
    fact.table === wanted.table &&
    fact.invert === (wanted.notFwmark !== null) &&
    fact.fwmark === wanted.notFwmark &&
    fact.suppressPrefixLength === wanted.suppressPrefixLength
  );
}

function remember<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | null = null;
  return () => (answer ??= ask());
}

function rememberEach<K, A, T>(
  ask: (key: K, argument: A) => Promise<T>,
): (key: K, argument: A) => Promise<T> {
  const answers = new Map<K, Promise<T>>();
  return (key, argument) => {
    const known = answers.get(key);
    if (known !== undefined) return known;
    const answer = ask(key, argument);
    answers.set(key, answer);
    return answer;
  };
}
