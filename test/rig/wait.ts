/**
 * Waits until a condition holds, asking every `interval` milliseconds.
 *
 * @throws {Error} it did not within `timeout` milliseconds; `what` names it in the message
 */
export async function waitUntil(
  what: string,
  holds: () => Promise<boolean> | boolean,
  timeout = 10_000,
  interval = 20,
): Promise<void> {
  const deadline = performance.now() + timeout;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`Waited ${String(timeout)} ms in vain: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, interval));
  }
}
