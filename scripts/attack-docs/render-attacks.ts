import { format } from 'prettier';
import { attacks, groups, outcomes, type AttackLine } from '../../test/attack/attacks.ts';

const begin = '<!-- attacks: written by scripts/generate-attack-table.ts -->';
const end = '<!-- end of attacks -->';

/** The table of `test/attack/attacks.ts`, each attack with what came of it. */
export function renderAttacks(): string {
  let last = '';
  const rows = Object.entries<AttackLine>(attacks).map(([id, line]) => {
    const group = groupOf(id);
    const shown = group === last ? '' : group;
    last = group;
    return `| ${shown} | ${line.what} | ${resultOf(line)} |`;
  });
  return ['| | attack | result |', '| --- | --- | --- |', ...rows].join('\n');
}

/**
 * Puts the table into a document, between its marks, laid out as the formatter does.
 *
 * @throws {Error} the document has no such marks
 */
export async function withAttacks(document: string): Promise<string> {
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`The document lacks the line "${begin}" or "${end}".`);
  const table = await format(renderAttacks(), { parser: 'markdown' });
  return `${document.slice(0, from)}${begin}\n\n${table}\n${document.slice(to)}`;
}

function groupOf(id: string): string {
  const name = Object.entries(groups).find(([key]) => id.startsWith(`${key}/`))?.[1];
  if (name === undefined) throw new Error(`The attack ${id} belongs to no group.`);
  return name;
}

function resultOf(line: AttackLine): string {
  if ('outcome' in line) return outcomes[line.outcome];
  if ('elsewhere' in line) return `see \`${line.elsewhere}\`, “${line.title}”`;
  return `not mounted yet: ${line.notYet}`;
}
