import { FormatError, ProblemList, type FormatErrorCode } from '../format-error.ts';
import { codePointName } from '../printable.ts';
import { maximumBytes, maximumLineBytes } from './conf.ts';

/** Everything that starts a new line somewhere, other than the line feed: VT, FF, NEL, LS, PS. */
const lineBreak = /[\v\f\u0085\u2028\u2029]/u;
/** Bidirectional controls show a line in another order than it is read (CVE-2021-42574), comments included. */
const hidden = /[\p{Bidi_Control}\uFEFF]/u;
/** C0, DEL and C1, without tab and line feed, which never gets here. */
const control = /[^\P{Control}\t]/u;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Splits a file into lines of clean text: UTF-8, LF or CRLF, no control characters, no way to hide a line.
 *
 * @throws FormatError
 */
export function readLines(bytes: Uint8Array, fileName: string): string[] {
  const refuse = (code: FormatErrorCode, reason: string, line: number | null = null): FormatError =>
    new FormatError(fileName, { code, line, reason });
  if (bytes.length > maximumBytes) {
    const limit = String(maximumBytes / 1024);
    throw refuse('tooLarge', `The file is larger than ${limit} KiB, so it is no WireGuard configuration.`);
  }
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw refuse('notText', 'The file is in UTF-16. Save it as UTF-8.');
  }
  const nul = bytes.indexOf(0);
  if (nul !== -1) {
    const line = bytes.subarray(0, nul).filter((byte) => byte === 0x0a).length + 1;
    throw refuse('notText', 'The file is binary, not text.', line);
  }
  const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const problems = new ProblemList(fileName);
  const lines = splitLines(hasMark ? bytes.subarray(3) : bytes).map((line, index) => {
    const result = readLine(line);
    if (typeof result === 'string') return result;
    problems.add(result[0], index + 1, result[1]);
    return '';
  });
  problems.throwIfAny();
  return lines;
}

type Refusal = readonly [code: FormatErrorCode, reason: string];

/** Splitting before decoding is safe, since the byte 0x0A is nothing but a line feed in UTF-8. */
function splitLines(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (;;) {
    const end = bytes.indexOf(0x0a, start);
    if (end === -1) return [...lines, bytes.subarray(start)];
    lines.push(bytes.subarray(start, bytes[end - 1] === 0x0d && end > start ? end - 1 : end));
    start = end + 1;
  }
}

function readLine(bytes: Uint8Array): string | Refusal {
  if (bytes.length > maximumLineBytes) {
    return [
      'lineTooLong',
      `The line is longer than ${String(maximumLineBytes)} bytes. Split it, or shorten it.`,
    ];
  }
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return ['invalidUtf8', 'The line is not valid UTF-8. Save the file as UTF-8.'];
  }
  if (text.includes('\r')) {
    return [
      'lineBreak',
      'The line contains a carriage return that does not end it. Use LF or CRLF line ends.',
    ];
  }
  const breaking = lineBreak.exec(text)?.[0];
  if (breaking !== undefined) {
    return [
      'lineBreak',
      `The line contains ${codePointName(breaking)}, which some programs read as a line break.`,
    ];
  }
  const controlling = control.exec(text)?.[0];
  if (controlling !== undefined) {
    return ['controlCharacter', `The line contains the control character ${codePointName(controlling)}.`];
  }
  const hiding = hidden.exec(text)?.[0];
  if (hiding !== undefined) {
    return ['hiddenCharacter', `The line contains ${codePointName(hiding)}, which hides or reorders text.`];
  }
  return text;
}
