import { networkOf, parseCIDR, type IPFamily } from '@sallyport/shared/formats/cidr.ts';
import { NetworkSettingsError } from '@sallyport/shared/protocol/errors.ts';
import type { IPSettings, ResolvedNetworkSettings } from '@sallyport/shared/provider/network-settings.ts';
import { sameChange, placeOf, type Change, type InterfaceReference, type RouteChange } from './change.ts';
import { splitRoutes, type RouteSplit } from './route-split.ts';
import { resolvedDomains, tunnelDNS, type TunnelDNS } from './tunnel-dns.ts';

/** What a plan has to know besides the settings. */
export interface PlanContext {
  readonly interface: InterfaceReference;
  /** Mark of the tunnel's own packets, unless the settings name one. */
  readonly fwmark: number;
  /** The session's own table. */
  readonly table: number;
  /** Of the first of the session's two rules; the second has the next number. */
  readonly priority: number;
  /** MTU of the physical path; null if there is none now. */
  readonly physicalMtu: number | null;
  /** Where the system resolves names; both, where resolved runs but resolv.conf leads elsewhere. */
  readonly resolver: { readonly resolved: boolean; readonly resolvConf: boolean };
  /** Whether the kernel has IPv6 at all. */
  readonly hasIPv6: boolean;
  /** Whether an interface drops what does not come from where its answer would go (rp_filter = 1). */
  readonly strictReversePath: boolean;
}

/** The system as one session wants it. */
export interface Plan {
  /** In the order in which they are to be made, none twice. */
  readonly changes: readonly Change[];
  /** Wanted by several sessions at once perhaps, and gone with the last of them. */
  readonly shared: readonly Change[];
  /** For resolv.conf, which all sessions share; null if resolved does it or nothing is wanted. */
  readonly resolvConf: TunnelDNS | null;
  readonly mtu: number;
  /** Families that the tunnel takes or blocks altogether. */
  readonly full: readonly IPFamily[];
}

const mainTable = 254;
const localTable = 255;
/** RFC 8200, 5; also the least with which Linux keeps IPv6 on an interface. */
const minimumMtu = 1280;
const usualMtu = 1500;
/** IPv6, UDP and WireGuard around a packet: 40 + 8 + 32. */
const usualOverhead = 80;

/** Before the kernel's own (256) and the network manager's routes, which a tunnel's route of equal length beats. */
const metric: Readonly<Record<IPFamily, number>> = { 4: 0, 6: 50 };
const holeMetric = 60;
/** The last resort of its table, so that the tunnel's own default route can join or leave beside it. */
const blockMetric = 65_535;

/** MTU of the virtual interface (`mtu` and `tunnelOverheadBytes` of `NEPacketTunnelNetworkSettings`). */
export function effectiveMtu(
  settings: Pick<ResolvedNetworkSettings, 'mtu' | 'tunnelOverheadBytes'> | null,
  physicalMtu: number | null,
): number {
  if (settings?.mtu !== null && settings?.mtu !== undefined) return settings.mtu;
  return Math.max(minimumMtu, (physicalMtu ?? usualMtu) - (settings?.tunnelOverheadBytes ?? usualOverhead));
}

/**
 * What the system has to be for these settings. Pure: the same settings and context give the same plan.
 *
 * @throws {NetworkSettingsError} `networkSettingsInvalid` where no system could be so
 */
export function planNetwork(settings: ResolvedNetworkSettings, context: PlanContext): Plan {
  refuseImpossible(settings);
  const { interface: link, resolver } = context;
  const mtu = effectiveMtu(settings, context.physicalMtu);
  const ipv4 = planFamily(4, settings, context);
  const ipv6 = context.hasIPv6 ? planFamily(6, settings, context) : emptyFamily;
  const blocked = blockedFamily(settings, ipv4.isFull, ipv6.isFull, context);
  const families = { 4: ipv4, 6: ipv6 };
  const routes: Change[] = [...ipv4.routes, ...ipv6.routes];
  const rules: Change[] = [];
  for (const family of [4, 6] as const) {
    if (blocked === family) routes.push(blockRoute(family, context.table));
    if (families[family].usesOwnTable || blocked === family)
      rules.push(...familyRules(family, settings, context));
  }
  const isDefaultRoute = ipv4.isFull || ipv6.isFull;
  const dns = settings.dns === null ? null : tunnelDNS(settings.dns, isDefaultRoute);
  return {
    changes: [
      ...interfaceSysctls(settings, context),
      { kind: 'mtu', interface: link, mtu },
      ...ipv4.addresses,
      ...ipv6.addresses,
      { kind: 'up', interface: link },
      ...routes,
      ...rules,
      ...(dns === null || !resolver.resolved ? [] : [resolvedChange(dns, link)]),
    ],
    shared: ipv4.usesOwnTable ? markSysctls(context) : [],
    resolvConf: resolver.resolvConf ? dns : null,
    mtu,
    full: ([4, 6] as const).filter((family) => families[family].isFull || blocked === family),
  };
}

/** One move from a plan to the next. */
export type Step =
  | { readonly do: 'make'; readonly change: Change }
  /** The same place with another content. */
  | { readonly do: 'replace'; readonly change: Change; readonly previous: Change }
  | { readonly do: 'remove'; readonly change: Change };

/**
 * The steps from what is to what shall be: what stays is not touched, so that flows live on, and additions come
 * before removals, so that no destination is ever without its route.
 */
export function difference(previous: readonly Change[], next: readonly Change[]): Step[] {
  const before = new Map(previous.map((change) => [placeOf(change), change]));
  const wanted = new Set(next.map(placeOf));
  const steps: Step[] = [];
  for (const change of next) {
    const existing = before.get(placeOf(change));
    if (existing === undefined) steps.push({ do: 'make', change });
    else if (!sameChange(existing, change)) steps.push({ do: 'replace', change, previous: existing });
  }
  for (const change of previous.toReversed()) {
    if (!wanted.has(placeOf(change))) steps.push({ do: 'remove', change });
  }
  return steps;
}

interface FamilyPlan {
  readonly isFull: boolean;
  readonly usesOwnTable: boolean;
  readonly addresses: readonly Change[];
  readonly routes: readonly Change[];
}

const emptyFamily: FamilyPlan = { isFull: false, usesOwnTable: false, addresses: [], routes: [] };

function planFamily(family: IPFamily, settings: ResolvedNetworkSettings, context: PlanContext): FamilyPlan {
  const own = family === 4 ? settings.ipv4 : settings.ipv6;
  if (own === null) return emptyFamily;
  const { interface: link } = context;
  const addresses = [...new Set(own.addresses)].map((address): Change => ({
    kind: 'address',
    interface: link,
    address,
  }));
  const { table } = settings.routing;
  if (table === 'off') return { ...emptyFamily, addresses };
  const split = splitRoutes(family, own, settings.tunnelRemoteAddress);
  if (table === 'auto') {
    return {
      isFull: split.isFull,
      usesOwnTable: split.ownTable.length > 0,
      addresses,
      routes: [
        ...ownTableRoutes(family, split, context.table, link),
        ...withoutConnected(own, split.mainTable).map((route) => tunnelRoute(family, route, mainTable, link)),
      ],
    };
  }
  return {
    // A table of somebody else's making: whether it is the default is for that somebody's rules to say.
    ...emptyFamily,
    addresses,
    routes: [
      ...ownTableRoutes(family, split, table, link),
      ...split.mainTable.map((route) => tunnelRoute(family, route, table, link)),
    ],
  };
}

/** The kernel makes the route to an address's own network itself, and refuses it a second time. */
function withoutConnected(settings: IPSettings, routes: RouteSplit['mainTable']): RouteSplit['mainTable'] {
  const connected = new Set(settings.addresses.map((address) => networkOf(address).text));
  return routes.filter((route) => route.gateway !== null || !connected.has(route.destination.text));
}

function ownTableRoutes(
  family: IPFamily,
  split: RouteSplit,
  table: number,
  link: InterfaceReference,
): RouteChange[] {
  return [
    ...split.holes.map((hole): RouteChange => ({
      kind: 'route',
      table,
      destination: hole.text,
      type: 'throw',
      interface: null,
      gateway: null,
      metric: holeMetric,
    })),
    ...split.ownTable.map((route) => tunnelRoute(family, route, table, link)),
  ];
}

function tunnelRoute(
  family: IPFamily,
  route: RouteSplit['mainTable'][number],
  table: number,
  link: InterfaceReference,
): RouteChange {
  return {
    kind: 'route',
    table,
    destination: route.destination.text,
    type: 'unicast',
    interface: link,
    gateway: route.gateway,
    metric: metric[family],
  };
}

function blockRoute(family: IPFamily, table: number): RouteChange {
  return {
    kind: 'route',
    table,
    destination: family === 4 ? '0.0.0.0/0' : '::/0',
    type: 'unreachable',
    interface: null,
    gateway: null,
    metric: blockMetric,
  };
}

/**
 * First the main table without its default routes, so that on-link networks (with them neighbour discovery) and
 * other people's routes stay as they are; then the own table for all that is not the tunnel's own packets. Both
 * come before the kernel's rule for the main table, 32766.
 */
function familyRules(family: IPFamily, settings: ResolvedNetworkSettings, context: PlanContext): Change[] {
  return [
    {
      kind: 'rule',
      family,
      priority: context.priority,
      table: mainTable,
      notFwmark: null,
      suppressPrefixLength: 0,
    },
    {
      kind: 'rule',
      family,
      priority: context.priority + 1,
      table: context.table,
      notFwmark: settings.routing.fwmark ?? context.fwmark,
      suppressPrefixLength: null,
    },
  ];
}

function blockedFamily(
  settings: ResolvedNetworkSettings,
  isFullIPv4: boolean,
  isFullIPv6: boolean,
  context: PlanContext,
): IPFamily | null {
  if (!settings.routing.blockOtherFamily || isFullIPv4 === isFullIPv6) return null;
  if (isFullIPv6) return 4;
  return context.hasIPv6 ? 6 : null;
}

function interfaceSysctls(settings: ResolvedNetworkSettings, context: PlanContext): Change[] {
  const { name } = context.interface;
  const sysctl = (path: string, value: string): Change => ({
    kind: 'sysctl',
    name: path,
    value,
    optional: true,
  });
  return [
    // Without it, removing the first of two addresses in one network removes the second as well.
    ...(settings.ipv4 === null ? [] : [sysctl(`net/ipv4/conf/${name}/promote_secondaries`, '1')]),
    // Where IPv6 is off by default it is so for new interfaces; the tunnel's own needs it.
    ...(settings.ipv6 === null || !context.hasIPv6
      ? []
      : [sysctl(`net/ipv6/conf/${name}/disable_ipv6`, '0')]),
  ];
}

/**
 * Answers to the tunnel's own packets arrive on the physical interface, while the rules say that their sender lies
 * in the tunnel: the reverse path filter must look at marks, and where it is strict it must be loose (2 beats 1).
 */
function markSysctls(context: PlanContext): Change[] {
  const sysctl = (name: string, value: string): Change => ({
    kind: 'sysctl',
    name: `net/ipv4/conf/all/${name}`,
    value,
    optional: true,
  });
  return [sysctl('src_valid_mark', '1'), ...(context.strictReversePath ? [sysctl('rp_filter', '2')] : [])];
}

function resolvedChange(dns: TunnelDNS, link: InterfaceReference): Change {
  return {
    kind: 'resolved',
    interface: link,
    servers: [...dns.servers],
    domains: resolvedDomains(dns),
    defaultRoute: dns.isDefault,
  };
}

function refuseImpossible(settings: ResolvedNetworkSettings): void {
  for (const [family, own] of [
    [4, settings.ipv4],
    [6, settings.ipv6],
  ] as const) {
    const texts = [...(own?.addresses ?? []), ...routesOf(own).map((route) => route.destination)];
    const stranger = texts.find((text) => parseCIDR(text).family !== family);
    if (stranger !== undefined) {
      throw invalid(
        `${stranger} stands among the IPv${String(family)} settings. Move it to the other family's.`,
      );
    }
  }
  if (settings.mtu !== null && settings.mtu < minimumMtu && (settings.ipv6?.addresses.length ?? 0) > 0) {
    throw invalid(
      `An MTU of ${String(settings.mtu)} is too small for IPv6. Set at least ${String(minimumMtu)} or remove the IPv6 addresses.`,
    );
  }
  if (settings.routing.table === localTable) {
    throw invalid(`Table ${String(localTable)} is the kernel's own. Choose another table.`);
  }
}

function routesOf(settings: IPSettings | null): IPSettings['includedRoutes'] {
  return settings === null ? [] : [...settings.includedRoutes, ...settings.excludedRoutes];
}

function invalid(message: string): NetworkSettingsError {
  return new NetworkSettingsError('networkSettingsInvalid', message);
}
