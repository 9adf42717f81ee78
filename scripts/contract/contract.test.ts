import { describe, expect, test } from 'vitest';
import { findProofs, judge, parseContract } from './contract.ts';

const text = [
  '# Contract',
  'Closed issues: Connect',
  '## L',
  '- **L1** · Connect · One process',
  '  hosts all.',
  '- **L7** · Activation, Sessions · Restarted.',
  '- **P1** · Data plane · Batches.',
].join('\n');

describe('parseContract', () => {
  test('reads ids, issues and whole sentences', () => {
    expect(parseContract(text)).toEqual({
      closedIssues: ['Connect'],
      entries: [
        { id: 'L1', issues: ['Connect'], text: 'One process hosts all.' },
        { id: 'L7', issues: ['Activation', 'Sessions'], text: 'Restarted.' },
        { id: 'P1', issues: ['Data plane'], text: 'Batches.' },
      ],
    });
    expect(parseContract(text.replace('Connect', 'none')).closedIssues).toEqual([]);
  });

  test('refuses a text without closed issues, and an id that is there twice', () => {
    expect(() => parseContract('')).toThrow('Closed issues');
    expect(() => parseContract(`${text}\n- **L1** · Connect · Again.`)).toThrow('L1 twice');
  });
});

describe('findProofs', () => {
  // Put together, so that this file's own text names no id.
  const named = (ids: string, title: string): string => `[${ids}] ${title}`;

  test('finds titles of tests, whatever their quotes', () => {
    const source = [
      `test('${named('L3', "keeps the module\\'s state")}', () => {});`,
      `it("${named('L3, P1', "isn't shared")}", () => {});`,
      `test.each([1])(\`${named('M2', 'refuses %s')}\`, () => {});`,
      `const list = ['[A1]', '[x] y'];`,
    ].join('\n');
    expect(findProofs('a.test.ts', source)).toEqual([
      { id: 'L3', title: "keeps the module\\'s state", file: 'a.test.ts' },
      { id: 'L3', title: "isn't shared", file: 'a.test.ts' },
      { id: 'P1', title: "isn't shared", file: 'a.test.ts' },
      { id: 'M2', title: 'refuses %s', file: 'a.test.ts' },
    ]);
  });

  test('finds tests in Rust by their documentation, and no other documentation', () => {
    const source = [
      `    /// ${named('P5', 'Counts what is malformed.')}`,
      '    /// And more.',
      '    #[test]',
      '    fn counts() {}',
      `    /// ${named('P4', 'Not a test.')}`,
      '    fn other() {}',
    ].join('\n');
    expect(findProofs('a.rs', source)).toEqual([
      { id: 'P5', title: 'Counts what is malformed.', file: 'a.rs' },
    ]);
  });
});

describe('judge', () => {
  const contract = parseContract(text);
  const proof = { id: 'L1', title: 'one pid', file: 'a.test.ts' };

  test('is content when every closed id has a test', () => {
    const { faults, lines, proved } = judge(contract, [proof]);
    expect(faults).toEqual([]);
    expect(proved).toBe(1);
    expect(lines).toEqual([
      'L1   proved   Connect',
      '       a.test.ts: one pid',
      'L7   open     Activation, Sessions',
      'P1   open     Data plane',
    ]);
  });

  test('finds a closed id that no test names', () => {
    expect(judge(contract, []).faults).toEqual([
      'L1 belongs to a closed issue (Connect), and no test names it.',
    ]);
  });

  test('wants a test as soon as one of several issues is closed', () => {
    const later = { ...contract, closedIssues: ['Sessions'] };
    expect(judge(later, [proof]).faults).toEqual([
      'L7 belongs to a closed issue (Activation, Sessions), and no test names it.',
    ]);
  });

  test('finds an id that is not in the contract, and a closed issue that nothing belongs to', () => {
    expect(judge(contract, [proof, { ...proof, id: 'Z9' }]).faults).toEqual([
      'a.test.ts names Z9, which is not there.',
    ]);
    const misspelt = { ...contract, closedIssues: ['Conect'] };
    expect(judge(misspelt, []).faults).toEqual(['No id belongs to issue Conect.']);
  });
});
