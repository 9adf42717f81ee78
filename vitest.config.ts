import { defineConfig } from 'vitest/config';

const hour = 3_600_000;

/** One project a tier; `scripts/test.ts` builds what each needs and runs it where it may run. */
export default defineConfig({
  test: {
    expect: { requireAssertions: true },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{app,helper,shared,scripts}/**/*.test.{ts,tsx}', 'test/rig/**/*.test.ts'],
          exclude: ['**/node_modules/**', '**/dist/**', '**/target/**'],
          testTimeout: 10_000,
          // L3 is proved by a forced collection.
          execArgv: ['--expose-gc'],
        },
      },
      {
        extends: true,
        test: {
          name: 'netns',
          include: ['test/netns/**/*.test.ts'],
          setupFiles: ['test/rig/require-namespaces.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'bus',
          include: ['test/bus/**/*.test.ts'],
          setupFiles: ['test/rig/require-namespaces.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'attack',
          include: ['test/attack/**/*.test.ts'],
          setupFiles: ['test/rig/require-namespaces.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'desktop',
          include: ['test/desktop/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'fuzz',
          include: ['test/fuzz/**/*.test.ts'],
          testTimeout: hour,
        },
      },
    ],
  },
});
