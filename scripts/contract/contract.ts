/** One numbered promise of `docs/contract.md`. */
export interface ContractEntry {
  readonly id: string;
  /** Names of the issues that close it, a part each: once one of them is closed, there must be a test. */
  readonly issues: readonly string[];
  readonly text: string;
}

export interface Contract {
  readonly closedIssues: readonly string[];
  readonly entries: readonly ContractEntry[];
}

/** Where a test names an id. */
export interface Proof {
  readonly id: string;
  readonly title: string;
  /** Path within the repository. */
  readonly file: string;
}

const list = (text: string): readonly string[] =>
  text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '' && word !== 'none');

/** @throws {Error} the text has no line of closed issues, or an id twice */
export function parseContract(text: string): Contract {
  const closed = /^Closed issues: (.*)$/m.exec(text)?.[1];
  if (closed === undefined) throw new Error('docs/contract.md has no line "Closed issues: …".');
  const items = text.matchAll(/^- \*\*([A-Z]\d+)\*\* · ([^·]+) · (.*(?:\n {2}.*)*)/gm);
  const entries = [...items].map(([, id = '', issues = '', sentence = '']) => ({
    id,
    issues: list(issues),
    text: sentence.replaceAll(/\n\s+/g, ' '),
  }));
  const twice = entries.find(({ id }, index) => entries.findIndex((other) => other.id === id) !== index);
  if (twice !== undefined) throw new Error(`docs/contract.md has ${twice.id} twice.`);
  return { closedIssues: list(closed), entries };
}

const ids = String.raw`\[([A-Z]\d+(?:, ?[A-Z]\d+)*)\] `;
/** A title in TypeScript: a string that begins with ids. */
const title = new RegExp(String.raw`(?<quote>['"\`])${ids}((?:\\.|(?!\k<quote>)[^\\])*)\k<quote>`, 'g');
/** A title in Rust: the line of documentation above a test that begins with ids. */
const rustTitle = new RegExp(
  String.raw`^\s*///\s*${ids}(.*)\n(?:\s*///.*\n)*(?:\s*#\[.*\]\n)*?\s*#\[test\]`,
  'gm',
);

/** What the tests of a file claim to prove. */
export function findProofs(file: string, source: string): Proof[] {
  const isRust = file.endsWith('.rs');
  return [...source.matchAll(isRust ? rustTitle : title)].flatMap((match) => {
    const [named = '', words = ''] = isRust ? match.slice(1) : match.slice(2);
    return list(named).map((id) => ({ id, title: words.trim(), file }));
  });
}

export interface ContractReport {
  /** One line an id, with its tests below it. */
  readonly lines: readonly string[];
  readonly faults: readonly string[];
  readonly proved: number;
}

export function judge(contract: Contract, proofs: readonly Proof[]): ContractReport {
  const closed = new Set(contract.closedIssues);
  const known = new Set(contract.entries.map(({ id }) => id));
  const issues = new Set(contract.entries.flatMap((entry) => entry.issues));
  const faults = [
    ...contract.closedIssues
      .filter((issue) => !issues.has(issue))
      .map((issue) => `No id belongs to issue ${issue}.`),
    ...proofs
      .filter(({ id }) => !known.has(id))
      .map(({ id, file }) => `${file} names ${id}, which is not there.`),
  ];
  const lines: string[] = [];
  let proved = 0;
  for (const { id, issues: own } of contract.entries) {
    const tests = proofs.filter((proof) => proof.id === id);
    const isClosed = own.some((issue) => closed.has(issue));
    if (tests.length > 0) proved += 1;
    else if (isClosed)
      faults.push(`${id} belongs to a closed issue (${own.join(', ')}), and no test names it.`);
    const state = tests.length > 0 ? 'proved' : isClosed ? 'MISSING' : 'open';
    lines.push(`${id.padEnd(4)} ${state.padEnd(8)} ${own.join(', ')}`);
    lines.push(...tests.map((proof) => `       ${proof.file}: ${proof.title}`));
  }
  return { lines, faults, proved };
}
