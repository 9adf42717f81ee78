import type { BuildKind } from './build-kind.ts';

/**
 * What may stand on the packed app's command line.
 *
 * Electron and Chromium understand some thousand switches, among them those that open a debugger, run a program in
 * front of each of their processes or turn the sandbox off. These few change how the app looks and which services of
 * the desktop it uses; each with the values that it may have, null for none.
 */
const allowedSwitches: Readonly<Record<string, RegExp | null>> = {
  // Ours: as at login, the tray alone.
  background: null,
  // Where and how large it draws.
  display: /^[\w.:/-]{1,100}$/,
  'ozone-platform': /^(?:x11|wayland|auto)$/,
  'ozone-platform-hint': /^(?:x11|wayland|auto)$/,
  'enable-wayland-ime': null,
  'wayland-text-input-version': /^[13]$/,
  'force-device-scale-factor': /^\d(?:\.\d{1,4})?$/,
  lang: /^[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,2}$/,
  // For graphics drivers that fail.
  'disable-gpu': null,
  'disable-gpu-compositing': null,
  'disable-software-rasterizer': null,
  'disable-dev-shm-usage': null,
  // For people who see, hear or move differently.
  'force-renderer-accessibility': null,
  'force-high-contrast': null,
  'force-prefers-reduced-motion': null,
  // Which of the desktop's password services encrypts what Chromium stores.
  'password-store': /^(?:basic|gnome-libsecret|gnome|kwallet5|kwallet6|kwallet)$/,
};

/** What tests drive the app with; only a build for them takes it. */
const debuggingSwitches: Readonly<Record<string, RegExp | null>> = {
  inspect: /^0$/,
  'remote-debugging-port': /^0$/,
};

/**
 * Looks for a switch that the app does not take.
 *
 * Read as Chromium reads it (`base::CommandLine` on POSIX): one dash or two, white space around the word dropped.
 * Stricter than that in one point: `--` ends nothing, so that no word after it can be a switch to anybody. Words that
 * are no switches mean nothing to the app and pass.
 *
 * @param words what follows the program's own name
 * @returns the first switch refused, without its value, or null
 */
export function refusedSwitch(words: readonly string[], kind: BuildKind): string | null {
  if (kind === 'source') return null;
  const allowed = kind === 'testing' ? { ...allowedSwitches, ...debuggingSwitches } : allowedSwitches;
  for (const word of words) {
    const trimmed = word.replace(/^[\s\0]+|[\s\0]+$/g, '');
    if (trimmed.startsWith('-') && !isAllowed(trimmed, allowed)) return trimmed.split('=', 1)[0] ?? trimmed;
  }
  return null;
}

function isAllowed(word: string, allowed: Readonly<Record<string, RegExp | null>>): boolean {
  const [, name = '', value] = /^--?([a-z0-9-]+)(?:=(.*))?$/s.exec(word) ?? [];
  if (!Object.hasOwn(allowed, name)) return false;
  const values = allowed[name] ?? null;
  return values === null ? value === undefined : value !== undefined && values.test(value);
}
