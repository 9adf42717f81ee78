import { maximumTunnelNameCharacters, tunnelNameKey } from '@sallyport/shared/formats/tunnel-name.ts';

/** The name itself, or with the first number that makes it unlike all others: `home`, `home 2`, `home 3`. */
export function freeName(name: string, taken: readonly string[]): string {
  const keys = new Set(taken.map(tunnelNameKey));
  if (!keys.has(tunnelNameKey(name))) return name;
  for (let number = 2; ; number += 1) {
    const suffix = ` ${String(number)}`;
    const room = maximumTunnelNameCharacters - suffix.length;
    const candidate = `${[...name].slice(0, room).join('').trimEnd()}${suffix}`;
    if (!keys.has(tunnelNameKey(candidate))) return candidate;
  }
}
