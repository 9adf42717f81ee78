import { readFileSync, writeFileSync } from 'node:fs';
import * as z from 'zod';

/** Where the window stood, in device-independent pixels; the only thing the app keeps. */
export const windowBoundsSchema = z.strictObject({
  x: z.int(),
  y: z.int(),
  width: z.int().positive(),
  height: z.int().positive(),
});
export type WindowBounds = z.infer<typeof windowBoundsSchema>;

export const defaultSize = { width: 980, height: 740 } as const;
export const minimumSize = { width: 720, height: 500 } as const;

/**
 * Fits remembered bounds into the screens there are now.
 *
 * @returns null when no screen shows enough of the window to take hold of it
 */
export function usableBounds(bounds: WindowBounds, screens: readonly WindowBounds[]): WindowBounds | null {
  const width = Math.max(bounds.width, minimumSize.width);
  const height = Math.max(bounds.height, minimumSize.height);
  const grip = 100;
  const reachable = screens.some(
    (screen) =>
      bounds.x + width - grip >= screen.x &&
      bounds.x + grip <= screen.x + screen.width &&
      bounds.y >= screen.y &&
      bounds.y + grip <= screen.y + screen.height,
  );
  return reachable ? { x: bounds.x, y: bounds.y, width, height } : null;
}

/** Reads remembered bounds; anything unreadable counts as none. */
export function readBounds(file: string): WindowBounds | null {
  try {
    return windowBoundsSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return null;
  }
}

/** Remembers bounds; a full disk must not keep a window from closing. */
export function writeBounds(file: string, bounds: WindowBounds): void {
  try {
    writeFileSync(file, JSON.stringify(windowBoundsSchema.parse(bounds)), { mode: 0o600 });
  } catch {
    return;
  }
}
