import { glob, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { attacks, groups, type AttackLine } from '../../test/attack/attacks.ts';
import { renderAttacks, withAttacks } from './render-attacks.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const lines = Object.entries<AttackLine>(attacks);

it('docs/security.md has the table of test/attack; if not, run: node scripts/generate-attack-table.ts', async () => {
  const written = await readFile(`${root}docs/security.md`, 'utf8');
  expect(written).toBe(await withAttacks(written));
});

it('a document without its marks is an error', async () => {
  await expect(withAttacks('# Security\n')).rejects.toThrow(/lacks the line/);
});

describe('the table of attacks', () => {
  it('has a test for each that is said to be mounted, and a line for each test', async () => {
    const mounted: string[] = [];
    for await (const file of glob('test/attack/*.test.ts', { cwd: root })) {
      const text = await readFile(`${root}${file}`, 'utf8');
      for (const [, id = ''] of text.matchAll(/\battack\(\s*\(\) => rig,\s*'([^']+)'/g)) mounted.push(id);
    }
    const said = lines.filter(([, line]) => 'outcome' in line).map(([id]) => id);
    expect(mounted.toSorted()).toEqual(said.toSorted());
  });

  it('names tests of other tiers that are there', async () => {
    for (const [id, line] of lines) {
      if (!('elsewhere' in line)) continue;
      const text = await readFile(`${root}${line.elsewhere}`, 'utf8');
      expect([id, text.includes(line.title)]).toEqual([id, true]);
    }
  });

  it('has every group, in order, and gives a reason and an issue for what is not mounted', () => {
    const keys = lines.map(([id]) => id.split('/')[0]);
    expect([...new Set(keys)]).toEqual(Object.keys(groups));
    expect(keys).toEqual(keys.toSorted((one = '', other = '') => order(one) - order(other)));
    for (const [id, line] of lines) {
      if ('notYet' in line)
        expect([id, line.notYet]).toEqual([id, expect.stringMatching(/ \((?!.*\()[A-Z][^)]*\)$/)]);
    }
  });

  it('has one row an attack', () => {
    expect(renderAttacks().split('\n')).toHaveLength(lines.length + 2);
  });
});

const order = (group: string): number => Object.keys(groups).indexOf(group);
