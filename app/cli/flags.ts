import type { OptionDefinition } from './command.ts';

/** The parts of an option's flags, `-n, --lines <count>`. */
export interface Flags {
  /** `n`, or null. */
  readonly short: string | null;
  /** `lines`. */
  readonly long: string;
  /** `count`, or null when the option takes no value. */
  readonly value: string | null;
}

export function parseFlags({ flags }: OptionDefinition): Flags {
  const match = /^(?:-(\w), )?--([a-z-]+)(?: <([a-z-]+)>)?$/.exec(flags);
  if (match === null) throw new Error(`The flags ${flags} are not of a known form.`);
  return { short: match[1] ?? null, long: match[2] ?? '', value: match[3] ?? null };
}

/** As it is typed: `-n` and `--lines`. */
export function spellings(option: OptionDefinition): string[] {
  const { short, long } = parseFlags(option);
  return [...(short === null ? [] : [`-${short}`]), `--${long}`];
}
