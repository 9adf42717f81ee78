import type { IPFamily } from '@sallyport/shared/formats/cidr.ts';
import { native } from '../native/load.ts';
import type { ChangeOf, FileState, InterfaceReference, RouteChange, RuleChange } from './change.ts';
import {
  readFileState,
  readSysctl,
  readText,
  removeTemporary,
  replaceFile,
  writeSysctl,
} from './linux-files.ts';
import {
  SystemError,
  type Link,
  type NetworkSystem,
  type RouteFact,
  type RuleFact,
  type SystemErrorCode,
} from './system.ts';

/** The part of the native addon that speaks rtnetlink(7); errors carry a `code`. */
export interface NetlinkBinding {
  links(): { index: number; name: string; mtu: number; up: boolean }[];
  linkSet(index: number, change: { mtu?: number; up?: boolean }): void;
  addresses(index?: number): { address: string; prefixLength: number }[];
  addressAdd(index: number, cidr: string): void;
  addressRemove(index: number, cidr: string): void;
  routes(filter: { table: number; family: IPFamily }): NetlinkRoute[];
  routeAdd(route: NetlinkRouteSpecification): void;
  routeRemove(route: NetlinkRouteSpecification): void;
  rules(family: IPFamily): NetlinkRule[];
  ruleAdd(rule: NetlinkRuleSpecification): void;
  ruleRemove(rule: NetlinkRuleSpecification): void;
}

interface NetlinkRoute {
  destination: string;
  interfaceIndex: number | null;
  gateway: string | null;
  table: number;
  metric: number | null;
  kind: string;
}

interface NetlinkRouteSpecification {
  destination: string;
  interfaceIndex?: number;
  gateway?: string;
  table: number;
  metric?: number;
  kind: 'unicast' | 'unreachable' | 'blackhole' | 'prohibit' | 'throw';
}

interface NetlinkRule {
  priority: number;
  fwmark: number | null;
  fwmarkMask: number | null;
  invert: boolean;
  table: number | null;
  suppressPrefixLength: number | null;
  source: string | null;
  destination: string | null;
  inputInterface: string | null;
  outputInterface: string | null;
  action: string;
}

interface NetlinkRuleSpecification {
  family: IPFamily;
  priority: number;
  fwmark?: number;
  invert?: boolean;
  table?: number;
  suppressPrefixLength?: number;
}

/** The part that speaks to services of the system bus, none of which it starts. */
export interface ServiceBinding {
  resolvedAvailable(): boolean;
  resolvedSetLink(link: {
    index: number;
    servers: string[];
    domains: { domain: string; routingOnly: boolean }[];
    defaultRoute: boolean;
  }): void;
  resolvedRevertLink(index: number): void;
  networkManagerAvailable(): boolean;
  networkManagerReload(): void;
}

/** Linux: rtnetlink and D-Bus through native code, files and sysctls through Node. */
export class NativeNetworkSystem implements NetworkSystem {
  readonly readSysctl = readSysctl;
  readonly writeSysctl = writeSysctl;
  readonly readText = readText;
  readonly removeTemporary = removeTemporary;
  readonly #netlink: NetlinkBinding;
  readonly #services: ServiceBinding;

  /** Both are the addon, unless told. */
  constructor(netlink: NetlinkBinding = native(), services: ServiceBinding = native()) {
    this.#netlink = netlink;
    this.#services = services;
  }

  links(): Promise<Link[]> {
    return answer(() => this.#netlink.links().map(({ index, name, mtu, up }) => ({ index, name, mtu, up })));
  }

  setMtu(link: InterfaceReference, mtu: number): Promise<void> {
    return answer(() => {
      this.#netlink.linkSet(link.index, { mtu });
    });
  }

  setUp(link: InterfaceReference, up: boolean): Promise<void> {
    return answer(() => {
      this.#netlink.linkSet(link.index, { up });
    });
  }

  addresses(link: InterfaceReference): Promise<string[]> {
    return answer(() =>
      this.#netlink.addresses(link.index).map((entry) => `${entry.address}/${String(entry.prefixLength)}`),
    );
  }

  addAddress(link: InterfaceReference, address: string): Promise<void> {
    return answer(() => {
      this.#netlink.addressAdd(link.index, address);
    });
  }

  removeAddress(link: InterfaceReference, address: string): Promise<void> {
    return answer(() => {
      this.#netlink.addressRemove(link.index, address);
    });
  }

  routes(family: IPFamily, table: number): Promise<RouteFact[]> {
    return answer(() =>
      this.#netlink.routes({ family, table }).map((route) => ({
        destination: route.destination,
        table: route.table,
        type: route.kind,
        metric: route.metric ?? 0,
        interface: route.interfaceIndex,
        gateway: route.gateway,
      })),
    );
  }

  addRoute(route: RouteChange): Promise<void> {
    return answer(() => {
      this.#netlink.routeAdd(routeSpecification(route));
    });
  }

  removeRoute(route: RouteChange): Promise<void> {
    return answer(() => {
      this.#netlink.routeRemove(routeSpecification(route));
    });
  }

  rules(family: IPFamily): Promise<RuleFact[]> {
    return answer(() =>
      this.#netlink.rules(family).map((rule) => ({
        family,
        priority: rule.priority,
        table: rule.table ?? 0,
        fwmark: rule.fwmark,
        invert: rule.invert,
        suppressPrefixLength: rule.suppressPrefixLength,
        plain: isPlain(rule),
      })),
    );
  }

  addRule(rule: RuleChange): Promise<void> {
    return answer(() => {
      this.#netlink.ruleAdd(ruleSpecification(rule));
    });
  }

  removeRule(rule: RuleChange): Promise<void> {
    return answer(() => {
      this.#netlink.ruleRemove(ruleSpecification(rule));
    });
  }

  readFile(path: string): Promise<FileState> {
    return readFileState(path);
  }

  replaceFile(path: string, state: FileState, temporary: string): Promise<void> {
    return replaceFile(path, state, temporary);
  }

  resolvedRuns(): Promise<boolean> {
    return answer(() => this.#services.resolvedAvailable());
  }

  setResolved(settings: ChangeOf<'resolved'>): Promise<void> {
    const { servers, domains, defaultRoute } = settings;
    return answer(() => {
      this.#services.resolvedSetLink({
        index: settings.interface.index,
        servers,
        domains: domains.map(({ name, routingOnly }) => ({ domain: name, routingOnly })),
        defaultRoute,
      });
    });
  }

  revertResolved(link: InterfaceReference): Promise<void> {
    return answer(() => {
      this.#services.resolvedRevertLink(link.index);
    });
  }

  reloadNetworkManager(): Promise<void> {
    return answer(() => {
      if (this.#services.networkManagerAvailable()) this.#services.networkManagerReload();
    });
  }
}

function routeSpecification(route: RouteChange): NetlinkRouteSpecification {
  const { destination, table, type, metric, gateway } = route;
  return {
    destination,
    table,
    kind: type,
    metric,
    ...(route.interface === null ? {} : { interfaceIndex: route.interface.index }),
    ...(gateway === null ? {} : { gateway }),
  };
}

function ruleSpecification(rule: RuleChange): NetlinkRuleSpecification {
  const { family, priority, table, notFwmark, suppressPrefixLength } = rule;
  return {
    family,
    priority,
    table,
    ...(notFwmark === null ? {} : { fwmark: notFwmark, invert: true }),
    ...(suppressPrefixLength === null ? {} : { suppressPrefixLength }),
  };
}

/** Whether a rule has only what ours have. */
function isPlain(rule: NetlinkRule): boolean {
  return (
    rule.action === 'table' &&
    (rule.fwmark === null || rule.fwmarkMask === null || rule.fwmarkMask === 0xffff_ffff) &&
    rule.source === null &&
    rule.destination === null &&
    rule.inputInterface === null &&
    rule.outputInterface === null
  );
}

/** Native calls are synchronous and throw errors with a `code`. */
async function answer<T>(call: () => T): Promise<T> {
  await Promise.resolve();
  try {
    return call();
  } catch (error) {
    const code =
      error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
    throw new SystemError(
      codes[code] ?? 'FAILED',
      error instanceof Error ? error.message : String(error),
      error,
    );
  }
}

const codes: Readonly<Record<string, SystemErrorCode>> = {
  EXISTS: 'EXISTS',
  NOT_FOUND: 'NOT_FOUND',
  PERMISSION: 'PERMISSION',
  BUS_UNAVAILABLE: 'UNAVAILABLE',
  SERVICE_UNAVAILABLE: 'UNAVAILABLE',
};
