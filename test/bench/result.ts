import * as z from 'zod';

/** What a benchmark measured, ready to be printed, compared and written down. */
export const benchResultSchema = z.strictObject({
  name: z.string(),
  title: z.string(),
  /** How it was measured, in a sentence or two. */
  method: z.string(),
  columns: z.array(z.string()),
  rows: z.array(z.array(z.union([z.string(), z.number()]))),
  /** Each aim with the figure that meets or misses it. */
  aims: z.array(z.strictObject({ aim: z.string(), figure: z.number(), unit: z.string(), met: z.boolean() })),
});
export type BenchResult = z.infer<typeof benchResultSchema>;

/** Middle value; NaN of nothing. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** @param q from 0 to 1 */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** Rounds to a number of digits after the point. */
export function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}

/** A result as a Markdown section, which reads well on a terminal too. */
export function formatResult(result: BenchResult): string {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.map(String).join(' | ')} |`;
  return [
    `## ${result.title}`,
    '',
    `\`npm run bench ${result.name}\`. ${result.method}`,
    '',
    line(result.columns),
    `|${result.columns.map((_column, index) => (index === 0 ? '---|' : '---:|')).join('')}`,
    ...result.rows.map(line),
    '',
    ...result.aims.map(
      ({ aim, figure, unit, met }) => `- ${met ? 'met' : '**missed**'}: ${aim} – ${String(figure)} ${unit}`,
    ),
    '',
  ].join('\n');
}
