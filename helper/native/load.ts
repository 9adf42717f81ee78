import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { markAsUntransferable } from 'node:worker_threads';
import type * as declared from './binding.d.ts';
import { SystemExtensionError } from '@sallyport/shared/protocol/errors.ts';

/** What the addon exports, as its build declares it. */
export type Native = typeof declared;

const path = fileURLToPath(new URL('sallyport.node', import.meta.url));

let loaded: Native | null = null;

/**
 * The native addon, loaded at the first call.
 *
 * Whoever starts the process should set `MALLOC_TRIM_THRESHOLD_=131072` and `MALLOC_ARENA_MAX=2`: glibc otherwise
 * keeps tens of megabytes that many sessions freed.
 *
 * @throws {SystemExtensionError} `extensionNotFound` when it was not built
 */
export function native(): Native {
  if (loaded !== null) return loaded;
  if (!existsSync(path)) {
    throw new SystemExtensionError(
      'extensionNotFound',
      'The helper’s native addon is missing. Build it with: npm run build:native',
    );
  }
  const addon: unknown = createRequire(import.meta.url)(path);
  if (!isNative(addon)) {
    throw new SystemExtensionError(
      'validationFailed',
      'The helper’s native addon is of another version. Build it with: npm run build:native',
    );
  }
  loaded = addon;
  return addon;
}

/** The build that made the addon made its declarations as well; what is looked for is the newest part of both. */
function isNative(addon: unknown): addon is Native {
  return typeof addon === 'object' && addon !== null && 'EndpointListener' in addon && 'Vault' in addon;
}

/** Buffers for `TunFlow`, whose memory must stay where it is. */
export function pinnedSlots(count: number, bytes: number): Buffer[] {
  return Array.from({ length: count }, () => {
    const slot = Buffer.allocUnsafeSlow(bytes);
    markAsUntransferable(slot.buffer);
    return slot;
  });
}
