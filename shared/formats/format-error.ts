import { printable } from './printable.ts';

/** Why a file was refused. */
export type FormatErrorCode =
  // The bytes
  | 'tooLarge'
  | 'notText'
  | 'invalidUtf8'
  | 'controlCharacter'
  | 'hiddenCharacter'
  | 'lineBreak'
  | 'lineTooLong'
  | 'notAscii'
  // The structure
  | 'notASetting'
  | 'unknownSection'
  | 'duplicateSection'
  | 'missingSection'
  | 'keyOutsideSection'
  | 'unknownKey'
  | 'wrongSection'
  | 'duplicateKey'
  | 'missingKey'
  | 'tooMany'
  // The values
  | 'missingValue'
  | 'invalidValue'
  | 'invalidKeyMaterial'
  | 'reusedKeyMaterial'
  | 'duplicatePeer'
  | 'duplicateAllowedIPs'
  | 'scriptRefused'
  | 'saveConfigRefused';

/** One thing that is wrong with a file. */
export interface Problem {
  readonly code: FormatErrorCode;
  /** From 1; null when it concerns the whole file. */
  readonly line: number | null;
  /** One or two sentences: what is wrong and what to do. Never holds key material or terminal escapes. */
  readonly reason: string;
}

/** {@link FormatError} as JSON. */
export interface FormatErrorJSON extends Problem {
  readonly file: string;
  readonly message: string;
  readonly problems: readonly Problem[];
}

/** Most problems that one error reports. */
export const maximumProblems = 100;

/**
 * A file that was refused, with everything that is wrong with it.
 *
 * `code`, `line` and `reason` are the first problem's, and so is the message: `home.conf:7: PostUp is never run. …`
 */
export class FormatError extends Error {
  override readonly name = 'FormatError';
  readonly code: FormatErrorCode;
  /** As given by the caller, made printable. */
  readonly file: string;
  readonly line: number | null;
  readonly reason: string;
  /** In the order of the file, at most {@link maximumProblems}. */
  readonly problems: readonly Problem[];

  constructor(file: string, first: Problem, others: readonly Problem[] = []) {
    const shownFile = printable(file);
    const place = first.line === null ? shownFile : `${shownFile}:${String(first.line)}`;
    super(`${place}: ${first.reason}${tail(others.length)}`);
    this.file = shownFile;
    this.code = first.code;
    this.line = first.line;
    this.reason = first.reason;
    this.problems = [first, ...others];
  }

  toJSON(): FormatErrorJSON {
    const { file, code, line, reason, message, problems } = this;
    return { file, code, line, reason, message, problems };
  }
}

/** Gathers the problems of one file, so that a person can mend them all at once. */
export class ProblemList {
  readonly #file: string;
  readonly #problems: Problem[] = [];

  /** @param file - Its name, for messages. */
  constructor(file: string) {
    this.#file = file;
  }

  /** @throws FormatError when the list is full, since a file with that many is not of this format. */
  add(code: FormatErrorCode, line: number | null, reason: string): void {
    this.#problems.push({ code, line, reason });
    if (this.#problems.length >= maximumProblems) this.throwIfAny();
  }

  /** @throws FormatError when anything was added. */
  throwIfAny(): void {
    const [first, ...others] = this.#sorted();
    if (first !== undefined) throw new FormatError(this.#file, first, others);
  }

  /** Adds a problem after which reading on makes no sense, and gives the error to throw. */
  closedWith(code: FormatErrorCode, line: number | null, reason: string): FormatError {
    const last = { code, line, reason };
    this.#problems.push(last);
    const [first = last, ...others] = this.#sorted();
    return new FormatError(this.#file, first, others);
  }

  /** By line; what concerns the whole file comes last, since a mistake in a line may be its cause. */
  #sorted(): Problem[] {
    const last = Number.MAX_SAFE_INTEGER;
    return [...this.#problems].sort((a, b) => (a.line ?? last) - (b.line ?? last));
  }
}

function tail(others: number): string {
  if (others === 0) return '';
  if (others === 1) return ' One more problem follows.';
  return ` ${String(others)} ${others + 1 >= maximumProblems ? 'or more' : 'more'} problems follow.`;
}
