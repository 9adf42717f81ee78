import { networkOf, parseCIDR } from '@sallyport/shared/formats/cidr.ts';

/**
 * Which session holds which destinations (contract M3).
 *
 * Two sessions conflict when they claim the same destination. A narrower route inside a wider one of another
 * session is no conflict: the longer prefix decides, as it does everywhere in routing.
 */
export class RouteClaims {
  readonly #claims = new Map<string, ReadonlySet<string>>();

  /** Replaces what a session holds. */
  take(id: string, routes: readonly string[]): void {
    this.#claims.set(id, new Set(routes.map(normalized)));
  }

  release(id: string): void {
    this.#claims.delete(id);
  }

  /** The other sessions that hold one of these destinations. */
  holders(id: string, routes: readonly string[]): string[] {
    const wanted = routes.map(normalized);
    return [...this.#claims]
      .filter(([holder, held]) => holder !== id && wanted.some((route) => held.has(route)))
      .map(([holder]) => holder);
  }
}

function normalized(route: string): string {
  return networkOf(parseCIDR(route)).text;
}
