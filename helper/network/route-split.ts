import {
  bitsOf,
  contains,
  networkOf,
  parseCIDR,
  type CIDR,
  type IPFamily,
} from '@sallyport/shared/formats/cidr.ts';
import type { IPSettings } from '@sallyport/shared/provider/network-settings.ts';

export interface SplitRoute {
  readonly destination: CIDR;
  readonly gateway: string | null;
}

/** A family's routes, sorted by the table that they need. */
export interface RouteSplit {
  /** Whether the included routes together are all of the family. */
  readonly isFull: boolean;
  /** For a table that the tunnel's own packets never consult. */
  readonly ownTable: readonly SplitRoute[];
  /** For the main table, where the longest prefix decides between them and the rest of the system. */
  readonly mainTable: readonly SplitRoute[];
  /** Holes in `ownTable`'s routes: what lies in them goes where it would go without the tunnel. */
  readonly holes: readonly CIDR[];
}

/** Shorter prefixes are shares of the public internet rather than somebody's network: 0.0.0.0/1, 2000::/3. */
const shortestNetwork: Readonly<Record<IPFamily, number>> = { 4: 8, 6: 16 };

/**
 * Decides for each included route whether it may stand in the main table.
 *
 * A route needs a table of its own if it is the default route or one of those that together are, or so short that it
 * is meant as part of one, or holds the tunnel's far end, whose own packets would otherwise run in a circle; or if it
 * has a hole, since a hole in the main table would have to name today's gateway. With a route every route around it
 * goes to the own table as well, so that what is left in the main table is more specific: looking there first keeps
 * the longest prefix. A route that is excluded as well as included is excluded.
 *
 * @param remoteAddress the tunnel's far end, if known
 */
export function splitRoutes(
  family: IPFamily,
  settings: IPSettings | null,
  remoteAddress: string | null,
): RouteSplit {
  const holes = unique(settings?.excludedRoutes ?? []).map((route) => route.destination);
  const holeTexts = new Set(holes.map((hole) => hole.text));
  const included = unique(settings?.includedRoutes ?? []).filter(
    (route) => !holeTexts.has(route.destination.text),
  );
  const networks = new NetworkSet(included.map((route) => route.destination));
  const isFull = coversEverything(included.map((route) => route.destination));
  const withHole = new Set(holes.flatMap((hole) => networks.around(hole)));
  const remote = remoteAddress === null ? null : parseCIDR(remoteAddress, { allowBare: true });
  const needsOwnTable = ({ destination }: SplitRoute): boolean =>
    destination.prefix < shortestNetwork[family] ||
    (isFull && networks.around(destination).length === 1) ||
    (remote !== null && contains(destination, remote)) ||
    withHole.has(destination.text);
  const ownTable = included.filter(needsOwnTable);
  const own = new Set(ownTable);
  return {
    isFull,
    ownTable,
    mainTable: included.filter((route) => !own.has(route)),
    holes: holes.filter((hole) => networks.around(hole).length > 0),
  };
}

/** Whether networks of one family together hold each of its addresses. */
export function coversEverything(networks: readonly CIDR[], depth = 0): boolean {
  if (networks.some((network) => network.prefix <= depth)) return true;
  if (networks.length < 2) return false;
  const [zeros, ones]: [CIDR[], CIDR[]] = [[], []];
  for (const network of networks) (bitAt(network, depth) === 0 ? zeros : ones).push(network);
  return coversEverything(zeros, depth + 1) && coversEverything(ones, depth + 1);
}

/** Networks of one family, found by what lies in them; 10,000 routes must not be compared with 10,000 holes. */
class NetworkSet {
  readonly #byPrefix = new Map<number, Map<bigint, string>>();

  constructor(networks: readonly CIDR[]) {
    for (const network of networks) {
      const { prefix } = network;
      const level = this.#byPrefix.get(prefix) ?? new Map<bigint, string>();
      level.set(leadingBits(network, prefix), network.text);
      this.#byPrefix.set(prefix, level);
    }
  }

  /** Texts of the networks that hold all of this one, itself included. */
  around(network: CIDR): string[] {
    const found: string[] = [];
    for (const [prefix, level] of this.#byPrefix) {
      if (prefix > network.prefix) continue;
      const text = level.get(leadingBits(network, prefix));
      if (text !== undefined) found.push(text);
    }
    return found;
  }
}

function leadingBits(network: CIDR, count: number): bigint {
  const bits = bitsOf(network.family);
  let value = 0n;
  for (const byte of network.address.bytes) value = (value << 8n) | BigInt(byte);
  return value >> BigInt(bits - count);
}

function bitAt(network: CIDR, depth: number): number {
  return ((network.address.bytes[depth >> 3] ?? 0) >> (7 - (depth & 7))) & 1;
}

function unique(routes: IPSettings['includedRoutes']): SplitRoute[] {
  const split = routes.map((route) => ({
    destination: networkOf(route.destination),
    gateway: route.gateway,
  }));
  return [...new Map(split.map((route) => [route.destination.text, route])).values()];
}
