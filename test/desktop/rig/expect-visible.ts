import type { Locator } from 'playwright-core';
import { expect } from 'vitest';

/** Waits until something can be seen, and fails with its description otherwise. */
export async function expectVisible(locator: Locator, timeout = 20_000): Promise<void> {
  await expect
    .poll(() => locator.first().isVisible(), {
      timeout,
      interval: 50,
      message: `${String(locator)} is visible`,
    })
    .toBe(true);
}
