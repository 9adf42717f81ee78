const unprintable =
  /[\p{Control}\p{Format}\p{Surrogate}\p{Line_Separator}\p{Paragraph_Separator}\p{Default_Ignorable_Code_Point}]/gu;
/** A run this long may be a part of a key that stands where it does not belong. */
const keyLike = /[A-Za-z0-9+/=]{16,}/g;

/**
 * Someone else's text, made fit for one line of a terminal or log: escapes, line breaks and what hides or reorders
 * text become `\u{…}`, and a long text loses its end.
 */
export function printable(text: string, maximumLength = 100): string {
  const characters = [...text.slice(0, 2 * maximumLength)];
  const cut = text.length > 2 * maximumLength || characters.length > maximumLength;
  const kept = characters.slice(0, maximumLength).join('');
  const escaped = kept.replace(unprintable, (character) => `\\u{${codePointOf(character)}}`);
  return cut ? `${escaped}…` : escaped;
}

/** A value quoted from a file of settings for a message, without anything that may be a piece of a key. */
export function quoted(value: string): string {
  return `"${printable(value.slice(0, 200).replace(keyLike, '…'), 60)}"`;
}

/** A character as `U+0430`. */
export function codePointName(character: string): string {
  return `U+${codePointOf(character).padStart(4, '0')}`;
}

function codePointOf(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase();
}
