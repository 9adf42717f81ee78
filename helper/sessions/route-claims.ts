/** Which session holds which claims of `routeClaims` (contract M3). */
export class RouteClaims {
  readonly #claims = new Map<string, ReadonlySet<string>>();

  /** Replaces what a session holds. */
  take(id: string, claims: readonly string[]): void {
    this.#claims.set(id, new Set(claims));
  }

  release(id: string): void {
    this.#claims.delete(id);
  }

  /** The other sessions that hold one of these. */
  holders(id: string, claims: readonly string[]): string[] {
    return [...this.#claims]
      .filter(([holder, held]) => holder !== id && claims.some((claim) => held.has(claim)))
      .map(([holder]) => holder);
  }
}
