import { dirname, resolve } from 'node:path';
import { networkOf, parseCIDR, type IPFamily } from '@sallyport/shared/formats/cidr.ts';
import type { ChangeOf, FileState, InterfaceReference, RouteChange, RuleChange } from './change.ts';
import { SystemError, type Link, type NetworkSystem, type RouteFact, type RuleFact } from './system.ts';

interface MemoryLink extends Link {
  readonly addresses: string[];
  resolved: ChangeOf<'resolved'> | null;
}

/**
 * A system in memory that answers as Linux does where it matters to us: what hangs on an interface goes with it,
 * routes go with the interface's state and with its last IPv4 address, one place in a table holds one route.
 *
 * `before` is called with each operation's name and may throw in its stead; `after` when it has taken effect.
 */
export class MemoryNetworkSystem implements NetworkSystem {
  before: (operation: string) => void = () => undefined;
  after: (operation: string) => void = () => undefined;
  readonly files = new Map<string, FileState>();
  readonly sysctls = new Map<string, string>();
  /** Paths that are mount points, which no rename can replace. */
  readonly mounts = new Set<string>();
  hasResolved = false;
  reloads = 0;
  readonly #links = new Map<number, MemoryLink>();
  readonly #routes = new Map<string, RouteFact & { readonly family: IPFamily }>();
  readonly #rules = new Map<string, RuleFact>();

  /** All that could be left behind, in an order of its own. */
  snapshot(): string {
    const sorted = (entries: Iterable<unknown>): string[] =>
      [...entries].map((entry) => JSON.stringify(entry)).sort();
    return JSON.stringify(
      {
        links: sorted(
          [...this.#links.values()].map((link) => ({ ...link, addresses: link.addresses.toSorted() })),
        ),
        routes: sorted(this.#routes.values()),
        rules: sorted(this.#rules.values()),
        sysctls: sorted(this.sysctls),
        files: sorted([...this.files].filter(([, state]) => state.type !== 'absent')),
      },
      null,
      1,
    );
  }

  addLink(link: InterfaceReference, mtu = 1500): void {
    this.#links.set(link.index, { ...link, mtu, up: false, addresses: [], resolved: null });
  }

  /** What the kernel does when the last holder of a TUN device dies. */
  removeLink(index: number): void {
    this.#links.delete(index);
    this.#flushRoutes(index, null);
  }

  /** Adds a rule or a route of somebody else. */
  addForeignRoute(route: RouteFact, family: IPFamily): void {
    this.#routes.set(routePlace(route), { ...route, family });
  }

  addForeignRule(rule: RuleFact): void {
    this.#rules.set(JSON.stringify(rule), rule);
  }

  resolvedOf(index: number): ChangeOf<'resolved'> | null {
    return this.#links.get(index)?.resolved ?? null;
  }

  links(): Promise<Link[]> {
    return this.#do('links', () =>
      [...this.#links.values()].map(({ name, index, mtu, up }) => ({ name, index, mtu, up })),
    );
  }

  setMtu(link: InterfaceReference, mtu: number): Promise<void> {
    return this.#do('setMtu', () => {
      this.#change(link, { mtu });
    });
  }

  setUp(link: InterfaceReference, up: boolean): Promise<void> {
    return this.#do('setUp', () => {
      this.#change(link, { up });
      if (!up) this.#flushRoutes(link.index, null);
    });
  }

  addresses(link: InterfaceReference): Promise<string[]> {
    return this.#do('addresses', () => [...this.#link(link).addresses]);
  }

  addAddress(link: InterfaceReference, address: string): Promise<void> {
    return this.#do('addAddress', () => {
      const { addresses } = this.#link(link);
      if (addresses.includes(address)) throw new SystemError('EXISTS', `${address} is there already.`);
      addresses.push(address);
    });
  }

  removeAddress(link: InterfaceReference, address: string): Promise<void> {
    return this.#do('removeAddress', () => {
      const { addresses } = this.#link(link);
      const index = addresses.indexOf(address);
      if (index === -1) throw new SystemError('NOT_FOUND', `${address} is not there.`);
      addresses.splice(index, 1);
      if (!addresses.some((other) => parseCIDR(other).family === 4)) this.#flushRoutes(link.index, 4);
    });
  }

  routes(family: IPFamily, table: number): Promise<RouteFact[]> {
    return this.#do('routes', () =>
      [...this.#routes.values()]
        .filter((route) => route.family === family && route.table === table)
        .map(({ family: _, ...route }) => route),
    );
  }

  addRoute(route: RouteChange): Promise<void> {
    return this.#do('addRoute', () => {
      if (route.interface !== null && !this.#link(route.interface).up) {
        throw new SystemError('FAILED', `${route.interface.name} is down.`);
      }
      const fact = factOf(route);
      if (networkOf(route.destination).text !== route.destination) {
        throw new SystemError('FAILED', `${route.destination} has host bits.`);
      }
      const place = routePlace(fact);
      if (this.#routes.has(place))
        throw new SystemError('EXISTS', `A route to ${route.destination} is there.`);
      this.#routes.set(place, { ...fact, family: parseCIDR(route.destination).family });
    });
  }

  removeRoute(route: RouteChange): Promise<void> {
    return this.#do('removeRoute', () => {
      const fact = factOf(route);
      const present = this.#routes.get(routePlace(fact));
      if (present?.type !== fact.type || present.interface !== fact.interface) {
        throw new SystemError('NOT_FOUND', `No route to ${route.destination} is there.`);
      }
      this.#routes.delete(routePlace(fact));
    });
  }

  rules(family: IPFamily): Promise<RuleFact[]> {
    return this.#do('rules', () => [...this.#rules.values()].filter((rule) => rule.family === family));
  }

  addRule(rule: RuleChange): Promise<void> {
    return this.#do('addRule', () => {
      const fact = ruleFact(rule);
      const key = JSON.stringify(fact);
      if (this.#rules.has(key)) throw new SystemError('EXISTS', `Rule ${String(rule.priority)} is there.`);
      this.#rules.set(key, fact);
    });
  }

  removeRule(rule: RuleChange): Promise<void> {
    return this.#do('removeRule', () => {
      if (!this.#rules.delete(JSON.stringify(ruleFact(rule)))) {
        throw new SystemError('NOT_FOUND', `Rule ${String(rule.priority)} is not there.`);
      }
    });
  }

  readSysctl(name: string): Promise<string | null> {
    return this.#do('readSysctl', () => this.sysctls.get(name) ?? null);
  }

  writeSysctl(name: string, value: string): Promise<void> {
    return this.#do('writeSysctl', () => {
      if (!this.sysctls.has(name)) throw new SystemError('NOT_FOUND', `There is no sysctl ${name}.`);
      this.sysctls.set(name, value);
    });
  }

  readFile(path: string): Promise<FileState> {
    return this.#do('readFile', () => this.files.get(path) ?? { type: 'absent', hadDirectory: true });
  }

  readText(path: string): Promise<string | null> {
    return this.#do('readText', () => {
      let [state, at] = [this.files.get(path), path];
      for (let links = 0; state?.type === 'symlink' && links < 40; links += 1) {
        at = resolve(dirname(at), state.target);
        state = this.files.get(at);
      }
      return state?.type === 'file' ? Buffer.from(state.content, 'base64').toString() : null;
    });
  }

  async replaceFile(path: string, state: FileState, temporary: string): Promise<void> {
    const former = this.files.get(path);
    if (this.mounts.has(path) && former?.type === 'file' && state.type === 'file') {
      const whole = Buffer.from(state.content, 'base64');
      for (const length of [0, whole.length >> 1, whole.length]) {
        const content = whole.subarray(0, length).toString('base64');
        await this.#do('writeInPlace', () => this.files.set(path, { ...former, content }));
      }
      return;
    }
    if (state.type !== 'absent') await this.#do('writeTemporary', () => this.files.set(temporary, state));
    await this.#do('rename', () => {
      this.files.delete(temporary);
      this.files.set(path, state);
    });
  }

  removeTemporary(path: string): Promise<void> {
    return this.#do('removeTemporary', () => void this.files.delete(path));
  }

  resolvedRuns(): Promise<boolean> {
    return this.#do('resolvedRuns', () => this.hasResolved);
  }

  setResolved(settings: ChangeOf<'resolved'>): Promise<void> {
    return this.#do('setResolved', () => {
      if (!this.hasResolved) throw new SystemError('UNAVAILABLE', 'systemd-resolved does not run.');
      this.#link(settings.interface).resolved = settings;
    });
  }

  revertResolved(link: InterfaceReference): Promise<void> {
    return this.#do('revertResolved', () => {
      this.#link(link).resolved = null;
    });
  }

  reloadNetworkManager(): Promise<void> {
    return this.#do('reloadNetworkManager', () => {
      this.reloads += 1;
    });
  }

  async #do<T>(operation: string, act: () => T): Promise<T> {
    await Promise.resolve();
    this.before(operation);
    const result = act();
    this.after(operation);
    return result;
  }

  #link(wanted: InterfaceReference): MemoryLink {
    const link = this.#links.get(wanted.index);
    if (link?.name === wanted.name) return link;
    throw new SystemError('NOT_FOUND', `There is no interface ${wanted.name}.`);
  }

  #change(wanted: InterfaceReference, change: Partial<Pick<Link, 'mtu' | 'up'>>): void {
    this.#links.set(wanted.index, { ...this.#link(wanted), ...change });
  }

  #flushRoutes(index: number, family: IPFamily | null): void {
    for (const [place, route] of this.#routes) {
      if (route.interface === index && (family === null || route.family === family))
        this.#routes.delete(place);
    }
  }
}

function factOf(route: RouteChange): RouteFact {
  const { destination, table, type, metric, gateway } = route;
  return { destination, table, type, metric, gateway, interface: route.interface?.index ?? null };
}

function routePlace(route: RouteFact): string {
  return JSON.stringify([route.table, route.destination, route.metric]);
}

function ruleFact(rule: RuleChange): RuleFact {
  const { family, priority, table, suppressPrefixLength } = rule;
  return {
    family,
    priority,
    table,
    fwmark: rule.notFwmark,
    invert: rule.notFwmark !== null,
    suppressPrefixLength,
    plain: true,
  };
}
