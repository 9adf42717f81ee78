import { networkOf } from '@sallyport/shared/formats/cidr.ts';
import type { ResolvedNetworkSettings } from '@sallyport/shared/provider/network-settings.ts';
import { splitRoutes } from './route-split.ts';

/**
 * What a session claims of the system's routing: networks as CIDRs, with ` table N` behind them in a table of the
 * configuration's choosing.
 *
 * Two sessions conflict (contract M3) if they claim the same network. A more specific route beside a wider one is no
 * conflict, not even beside a default route: the longest prefix decides, and a full tunnel's table is asked only
 * after the main table's specific routes. Hence two full tunnels of one family conflict, a full and a split one run
 * side by side. A family that a full tunnel blocks is claimed as a whole, like one that it takes.
 */
export function routeClaims(settings: ResolvedNetworkSettings): string[] {
  const { table, blockOtherFamily } = settings.routing;
  if (table === 'off') return [];
  const claims = new Set<string>();
  const suffix = table === 'auto' ? '' : ` table ${String(table)}`;
  for (const own of [settings.ipv4, settings.ipv6]) {
    for (const route of own?.includedRoutes ?? [])
      claims.add(`${networkOf(route.destination).text}${suffix}`);
  }
  if (table === 'auto') {
    const full = ([4, 6] as const).filter(
      (family) => splitRoutes(family, family === 4 ? settings.ipv4 : settings.ipv6, null).isFull,
    );
    if (full.includes(4) || (full.length > 0 && blockOtherFamily)) claims.add('0.0.0.0/0');
    if (full.includes(6) || (full.length > 0 && blockOtherFamily)) claims.add('::/0');
  }
  return [...claims];
}

/** The first claim that both make, or null if they can run side by side. */
export function claimConflict(left: readonly string[], right: readonly string[]): string | null {
  const others = new Set(right);
  return left.find((claim) => others.has(claim)) ?? null;
}
