/** Colours, or nothing where they have no place. */
export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly red: (text: string) => string;
}

/** Colours only on a terminal that has them, and not where `NO_COLOR` is set (no-color.org). */
export function createStyle(
  isTerminal: boolean,
  environment: Readonly<Record<string, string | undefined>>,
): Style {
  const noColor = environment['NO_COLOR'] ?? '';
  const usesColor = isTerminal && noColor === '' && environment['TERM'] !== 'dumb';
  const paint = (code: number) => (text: string) =>
    usesColor ? `\u001b[${String(code)}m${text}\u001b[0m` : text;
  return { bold: paint(1), dim: paint(2), green: paint(32), yellow: paint(33), red: paint(31) };
}
