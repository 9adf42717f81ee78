import { printable } from '@sallyport/shared/formats/printable.ts';

/** Longest text that is printed of one value; the protocol's own bounds are shorter. */
const longest = 8000;

/** Text of anyone's making, for a terminal: what is no visible character is written as `\u{…}`. */
export function visible(text: string): string {
  return printable(text, longest);
}

const wide =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]/u;
const mark = /\p{Mark}/u;

/** Columns that visible text takes on a terminal; East Asian characters and most emoji take two. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += mark.test(character) ? 0 : wide.test(character) ? 2 : 1;
  return width;
}
