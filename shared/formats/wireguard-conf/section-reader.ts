import type { ProblemList } from '../format-error.ts';
import type { Entry, Section } from './sections.ts';
import { ValueError } from './values.ts';

/** A value and where it stands. */
export interface Located<T> {
  readonly line: number;
  readonly value: T;
}

/** Reads the values of one section and reports those that cannot be taken. */
export class SectionReader<Key extends string> {
  readonly #section: Section<Key>;
  readonly #problems: ProblemList;

  constructor(section: Section<Key>, problems: ProblemList) {
    this.#section = section;
    this.#problems = problems;
  }

  /** Where the key stands first, or null. */
  lineOf(key: Key): number | null {
    return this.#section.entries.find((entry) => entry.key === key)?.line ?? null;
  }

  /** The value of a key that stands once; null when it is missing or has been reported. */
  one<T>(key: Key, read: (value: string) => T): T | null {
    const entry = this.#section.entries.find((candidate) => candidate.key === key);
    return entry === undefined ? null : (this.#read(entry, entry.value, read)?.value ?? null);
  }

  /** The values of all lines of a key, each line split first; what was reported is left out. */
  many<T>(key: Key, split: (value: string) => readonly string[], read: (value: string) => T): Located<T>[] {
    return this.#section.entries
      .filter((entry) => entry.key === key)
      .flatMap((entry) => split(entry.value).map((part) => this.#read(entry, part, read)))
      .filter((value) => value !== null);
  }

  #read<T>({ line }: Entry<Key>, text: string, read: (value: string) => T): Located<T> | null {
    try {
      return { line, value: read(text) };
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      this.#problems.add(error.code, line, error.message);
      return null;
    }
  }
}
