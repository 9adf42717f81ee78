import { isIP } from 'node:net';

/** A peer's server as the configuration names it. */
export interface ConfiguredEndpoint {
  readonly host: string;
  readonly port: number;
}

/** `address:port`, with brackets around IPv6. */
export function formatEndpoint(address: string, port: number): string {
  return isIP(address) === 6 ? `[${address}]:${String(port)}` : `${address}:${String(port)}`;
}

/**
 * The address to try after one that does not answer: the next of the list as it is now, the first if the present
 * one is no longer in it. Addresses of both families are in the list, so that the other family gets its turn.
 *
 * @param addresses at least one
 */
export function nextAddress(addresses: readonly string[], present: string | null): string {
  const index = present === null ? -1 : addresses.indexOf(present);
  const next = addresses[(index + 1) % addresses.length];
  if (next === undefined) throw new RangeError('There is no address to try.');
  return next;
}

/**
 * The address to call a server at: the one in use while its name still has it, else the first.
 *
 * @param addresses at least one
 */
export function keptAddress(addresses: readonly string[], present: string | null): string {
  return present !== null && addresses.includes(present) ? present : nextAddress(addresses, null);
}

/** Keeps only addresses whose family the path has, unless that leaves none. */
export function reachable(
  addresses: readonly string[],
  path: { readonly supportsIPv4: boolean; readonly supportsIPv6: boolean },
): readonly string[] {
  const usable = addresses.filter((address) => (isIP(address) === 6 ? path.supportsIPv6 : path.supportsIPv4));
  return usable.length > 0 ? usable : addresses;
}
