import * as z from 'zod';

/** Most characters (Unicode code points, after NFC) of a tunnel's name. */
export const maximumTunnelNameCharacters = 64;
/** Most bytes of a tunnel's name in UTF-8. */
export const maximumTunnelNameBytes = 255;

export type TunnelNameErrorCode =
  | 'empty'
  | 'tooLong'
  | 'malformedText'
  | 'controlCharacter'
  | 'invisibleCharacter'
  | 'slash'
  | 'leadingCharacter'
  | 'surroundingSpace';

export interface TunnelNameProblem {
  readonly code: TunnelNameErrorCode;
  /** Completes the sentence `The name <reason>.` Never quotes the name, which may hold terminal escapes. */
  readonly reason: string;
}

/** A name that no tunnel can have. */
export class TunnelNameError extends Error {
  override readonly name = 'TunnelNameError';
  readonly code: TunnelNameErrorCode;

  constructor(problem: TunnelNameProblem) {
    super(`The name ${problem.reason}. Choose another.`);
    this.code = problem.code;
  }
}

/** Lone surrogates and noncharacters: text that cannot be stored or shown. */
const malformed = /[\p{Surrogate}\p{Noncharacter_Code_Point}]/u;
const control = /[\p{Control}\u2028\u2029]/u;
/**
 * Bidirectional controls, joiners, variation selectors, fillers and the like. They let two names look the same, or
 * one name like another.
 */
const invisible = /[\p{Format}\p{Default_Ignorable_Code_Point}]/u;
/** A combining mark in front would join whatever is printed before the name. */
const leading = /^[-.\p{Mark}]/u;

/** What is wrong with a name, or null. Looks at its NFC form, which is also what is stored. */
export function tunnelNameProblem(name: string): TunnelNameProblem | null {
  if (name.length > 4 * maximumTunnelNameBytes) return tooLong;
  const text = name.normalize('NFC');
  if (text === '') return { code: 'empty', reason: 'is empty' };
  if (malformed.test(text)) return { code: 'malformedText', reason: 'is not valid Unicode text' };
  if (control.test(text)) {
    return { code: 'controlCharacter', reason: 'contains a control character or line break' };
  }
  if (invisible.test(text)) return { code: 'invisibleCharacter', reason: 'contains an invisible character' };
  if (text.includes('/')) return { code: 'slash', reason: 'contains a slash' };
  if (text.trim() !== text) return { code: 'surroundingSpace', reason: 'begins or ends with a space' };
  if (leading.test(text)) {
    return { code: 'leadingCharacter', reason: 'begins with a hyphen, a dot or a combining mark' };
  }
  if ([...text].length > maximumTunnelNameCharacters || utf8Length(text) > maximumTunnelNameBytes)
    return tooLong;
  return null;
}

/**
 * A name in the form in which it is stored (NFC).
 *
 * @throws TunnelNameError
 */
export function validateTunnelName(name: string): string {
  const problem = tunnelNameProblem(name);
  if (problem !== null) throw new TunnelNameError(problem);
  return name.normalize('NFC');
}

/**
 * Equal for names that people or file systems may take for one: `Home`, `home` and `Ｈｏｍｅ`. For comparison only.
 *
 * JavaScript has no case folding of its own. Upper case and then lower case comes to the same for ß and ligatures;
 * ẞ needs a second round, and lower case writes σ at a word's end as ς.
 */
export function tunnelNameKey(name: string): string {
  return foldCase(foldCase(name));
}

function foldCase(text: string): string {
  return text.normalize('NFKC').toUpperCase().toLowerCase().replace(/ς/g, 'σ').normalize('NFKC');
}

/** A person's name for a tunnel; the value becomes its NFC form. */
export const tunnelNameSchema = z
  .string()
  .superRefine((name, context) => {
    const problem = tunnelNameProblem(name);
    if (problem !== null) {
      context.addIssue({ code: 'custom', message: problem.reason, continue: false });
    }
  })
  .overwrite((name) => name.normalize('NFC'));

/**
 * A name for the tunnel in a file: its base name without `.conf` and without whatever no name may have. Always a
 * valid name; `Tunnel` where nothing is left.
 */
export function nameFromFileName(fileName: string): string {
  const base = fileName.slice(-1024).split(/[/\\]/).at(-1) ?? '';
  const text = base
    .replace(/\.conf$/i, '')
    .normalize('NFC')
    .replace(notInNames, ' ')
    .replace(/\s+/gu, ' ')
    .replace(/^[-.\p{Mark}\s]+/u, '')
    .trim();
  let name = '';
  for (const character of text) {
    if (tunnelNameProblem(name + character)?.code === 'tooLong') break;
    name += character;
  }
  name = name.trim().normalize('NFC');
  return tunnelNameProblem(name) === null ? name : 'Tunnel';
}

const notInNames =
  /[/\p{Surrogate}\p{Noncharacter_Code_Point}\p{Control}\u2028\u2029\p{Format}\p{Default_Ignorable_Code_Point}]/gu;

const tooLong: TunnelNameProblem = {
  code: 'tooLong',
  reason: `is longer than ${String(maximumTunnelNameCharacters)} characters or ${String(maximumTunnelNameBytes)} bytes`,
};

/** Bytes of well-formed text in UTF-8. */
function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}
