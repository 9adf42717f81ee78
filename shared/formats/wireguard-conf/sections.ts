import type { ProblemList } from '../format-error.ts';
import { codePointName } from '../printable.ts';
import {
  interfaceKeys,
  peerKeys,
  repeatableKeys,
  scriptKeys,
  type DroppedLine,
  type InterfaceKey,
  type PeerKey,
} from './conf.ts';
import { nearest } from './nearest.ts';

/** A setting whose key is known and stands where it may. */
export interface Entry<Key extends string> {
  readonly line: number;
  readonly key: Key;
  /** Without surrounding space, never empty. */
  readonly value: string;
}

export interface Section<Key extends string> {
  /** Where its header stands. */
  readonly line: number;
  readonly entries: Entry<Key>[];
}

export interface Sections {
  interface: Section<InterfaceKey> | null;
  readonly peers: Section<PeerKey>[];
  readonly droppedLines: DroppedLine[];
}

/** What the lines that follow belong to. After a header that is not understood they are skipped. */
type Current =
  | { readonly kind: 'none' }
  | { readonly kind: 'skipped' }
  | { readonly kind: 'Interface'; readonly section: Section<InterfaceKey> }
  | { readonly kind: 'Peer'; readonly section: Section<PeerKey> };

const keysByLowerCase: ReadonlyMap<string, InterfaceKey | PeerKey> = new Map(
  [...interfaceKeys, ...peerKeys].map((key) => [key.toLowerCase(), key]),
);

/**
 * Sorts the lines into sections and checks everything that can be said without reading a value.
 *
 * The grammar is that of wg(8) and wg-quick(8): `#` begins a comment anywhere, case of sections and keys does not
 * matter, sections are `[Interface]`, once, and `[Peer]`.
 */
export function readSections(
  lines: readonly string[],
  dropScripts: boolean,
  problems: ProblemList,
): Sections {
  const sections: Sections = { interface: null, peers: [], droppedLines: [] };
  let current: Current = { kind: 'none' };
  lines.forEach((text, index) => {
    const line = index + 1;
    const setting = trim(text.split('#', 1)[0] ?? '');
    if (setting === '') return;
    if (setting.startsWith('[')) {
      current = readHeader(setting, line, sections, problems);
      return;
    }
    if (current.kind === 'skipped') return;
    const entry = readEntry(setting, line, problems);
    if (entry === null) return;
    const { key, value } = entry;
    if (current.kind === 'none') {
      problems.add(
        'keyOutsideSection',
        line,
        `${key} stands before the first section. Put it under [Interface] or [Peer].`,
      );
      return;
    }
    if (isOneOf(scriptKeys, key) && current.kind === 'Interface') {
      if (dropScripts) sections.droppedLines.push({ line, key });
      else
        problems.add(
          'scriptRefused',
          line,
          `${key} is never run. Remove the line, or import the file without its scripts.`,
        );
      return;
    }
    const strange = /[^\t\x20-\x7e]/u.exec(value)?.[0];
    if (strange !== undefined) {
      problems.add('notAscii', line, notAsciiReason(`The value of ${key}`, strange));
    } else if (value === '') {
      problems.add('missingValue', line, `${key} has no value. Remove the line, or complete it.`);
    } else {
      addEntry(current, entry, problems);
    }
  });
  return sections;
}

function readHeader(setting: string, line: number, sections: Sections, problems: ProblemList): Current {
  switch (setting.toLowerCase()) {
    case '[interface]':
      if (sections.interface !== null) {
        const first = String(sections.interface.line);
        problems.add(
          'duplicateSection',
          line,
          `[Interface] stands twice; the first is in line ${first}. Keep one.`,
        );
        return { kind: 'skipped' };
      }
      sections.interface = { line, entries: [] };
      return { kind: 'Interface', section: sections.interface };
    case '[peer]': {
      const section: Section<PeerKey> = { line, entries: [] };
      sections.peers.push(section);
      return { kind: 'Peer', section };
    }
    default: {
      const near = nearest(setting.replace(/[[\]\s]/g, ''), ['Interface', 'Peer']);
      const hint = near === null ? 'There are only [Interface] and [Peer].' : `Did you mean [${near}]?`;
      problems.add('unknownSection', line, `The section is unknown. ${hint}`);
      return { kind: 'skipped' };
    }
  }
}

function readEntry(
  setting: string,
  line: number,
  problems: ProblemList,
): Entry<InterfaceKey | PeerKey> | null {
  const equals = setting.indexOf('=');
  const name = trim(equals === -1 ? setting : setting.slice(0, equals));
  const strange = /[^\t\x20-\x7e]/u.exec(name)?.[0];
  if (strange !== undefined) {
    problems.add('notAscii', line, notAsciiReason('The key', strange));
    return null;
  }
  const word = /^[A-Za-z][A-Za-z0-9]{0,23}$/.test(name) ? name : null;
  if (equals === -1 || word === null) {
    const hint = setting.startsWith(';') ? ' Comments begin with "#".' : '';
    problems.add(
      'notASetting',
      line,
      `The line is neither a section nor a setting of the form "Key = value".${hint}`,
    );
    return null;
  }
  const key = keysByLowerCase.get(word.toLowerCase());
  if (key === undefined) {
    const near = nearest(word, [...interfaceKeys, ...peerKeys]);
    const hint = near === null ? 'WireGuard has no such key. Remove the line.' : `Did you mean ${near}?`;
    // What is neither short nor near to a key is not quoted: it may be a piece of a secret that lost its key.
    const shown = near !== null || word.length <= 12 ? word : 'The key';
    problems.add('unknownKey', line, `${shown} is unknown. ${hint}`);
    return null;
  }
  return { line, key, value: trim(setting.slice(equals + 1)) };
}

function addEntry(
  current: Extract<Current, { section: unknown }>,
  { line, key, value }: Entry<InterfaceKey | PeerKey>,
  problems: ProblemList,
): void {
  const earlier = repeatableKeys.has(key)
    ? undefined
    : current.section.entries.find((entry) => entry.key === key);
  if (earlier !== undefined) {
    problems.add(
      'duplicateKey',
      line,
      `${key} stands twice; the first is in line ${String(earlier.line)}. Keep one.`,
    );
  } else if (current.kind === 'Interface' && isOneOf(interfaceKeys, key)) {
    current.section.entries.push({ line, key, value });
  } else if (current.kind === 'Peer' && isOneOf(peerKeys, key)) {
    current.section.entries.push({ line, key, value });
  } else {
    const other = current.kind === 'Peer' ? 'Interface' : 'Peer';
    problems.add('wrongSection', line, `${key} stands under [${current.kind}] but belongs under [${other}].`);
  }
}

/** Space and tab alone: what else looks like space was refused or is not ASCII. A loop, since `/[ \t]+$/` is quadratic. */
function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text[start])) start++;
  while (end > start && isBlank(text[end - 1])) end--;
  return text.slice(start, end);
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}

function notAsciiReason(what: string, character: string): string {
  return `${what} contains ${codePointName(character)}, which is not ASCII, though it may look so. Type it anew.`;
}

function isOneOf<T extends string>(list: readonly T[], value: string): value is T {
  return list.some((item) => item === value);
}
