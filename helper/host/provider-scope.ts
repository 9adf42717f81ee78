import { AsyncLocalStorage } from 'node:async_hooks';

/** The running provider instance on whose behalf code runs. */
export interface ProviderOwner {
  /** Number of the instance. */
  readonly run: number;
  readonly configurationId: string;
  /** The provider's bundle identifier. */
  readonly identifier: string;
  /** Takes an error that no callback caught: a timer's, an event listener's, an unhandled rejection's. */
  readonly fault: (error: unknown) => void;
}

/**
 * Follows every asynchronous step that a provider's code starts, so that an error or a forgotten timer can be
 * told to its owner (contract L5, L6).
 */
const scope = new AsyncLocalStorage<ProviderOwner>();

/** Runs code as this provider's own. */
export function runAsProvider<T>(owner: ProviderOwner, code: () => T): T {
  return scope.run(owner, code);
}

/** Runs the helper's own code on nobody's behalf, even when a provider called it. */
export function runAsSystem<T>(code: () => T): T {
  return scope.exit(code);
}

/** Whose code is running; null for the helper's own. */
export function currentProvider(): ProviderOwner | null {
  return scope.getStore() ?? null;
}
