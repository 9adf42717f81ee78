import { displayWidth } from './visible.ts';

/** A cell: what is shown, and how it is painted once its width is known. */
export interface Cell {
  readonly text: string;
  readonly paint?: (text: string) => string;
}

/** Rows of cells in aligned columns, two spaces apart; no spaces at the end of a line. */
export function renderTable(rows: readonly (readonly Cell[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, displayWidth(cell.text));
    }
  }
  return rows.map((row) => renderRow(row, widths)).join('\n');
}

function renderRow(row: readonly Cell[], widths: readonly number[]): string {
  const last = row.findLastIndex((cell) => cell.text !== '');
  return row
    .slice(0, last + 1)
    .map(({ text, paint }, column) => {
      const space = column === last ? '' : ' '.repeat((widths[column] ?? 0) - displayWidth(text) + 2);
      return `${paint === undefined ? text : paint(text)}${space}`;
    })
    .join('');
}
