/**
 * How whoever starts the helper starts Node.
 *
 * SIGUSR1 would open the inspector to every process of root. A young generation of at most 1 MB suits a process that
 * carries no packets in JavaScript: it saves some 10 MB after a few connects.
 */
export const nodeArguments = ['--disable-sigusr1', '--max-semi-space-size=1'] as const;

/** glibc otherwise keeps tens of megabytes that many sessions freed. */
export const mallocEnvironment = { MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_ARENA_MAX: '2' } as const;
