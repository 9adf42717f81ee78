import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * A directory below this user's cache for what is built or fetched once: outside the source tree, so that a
 * clean clone finds it again. `SALLYPORT_CACHE` moves it.
 */
export function cacheDirectory(...parts: readonly string[]): string {
  const { SALLYPORT_CACHE, XDG_CACHE_HOME } = process.env;
  return join(SALLYPORT_CACHE ?? XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sallyport', ...parts);
}

/**
 * As {@link cacheDirectory}, for what other users must be able to read and execute: root's home is closed to
 * them, so that root's goes below `/var/cache`.
 */
export function sharedCacheDirectory(...parts: readonly string[]): string {
  if (process.geteuid?.() !== 0 || process.env['SALLYPORT_CACHE'] !== undefined)
    return cacheDirectory(...parts);
  return join('/var/cache/sallyport', ...parts);
}
