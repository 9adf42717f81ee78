import { decodePayload } from '@sallyport/shared/protocol/messages.ts';
import { maximumJsonDepth } from '@sallyport/shared/protocol/limits.ts';

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/** It is JSON, and not allowed all the same; the message is for the log. */
export class ForbiddenJsonError extends Error {}

/**
 * Reads the payload of one frame from somebody who is not trusted.
 *
 * What JSON leaves open is closed here: nesting is bounded before anything recurses over it, a member may be named
 * only once in its object, and none may be named `__proto__`.
 *
 * @throws {ForbiddenJsonError}
 * @throws {TypeError | SyntaxError} it is not UTF-8, or not JSON
 */
export function decodeReceived(payload: Uint8Array): unknown {
  const members = countMembers(payload);
  const value = decodePayload(payload);
  if (countKeys(value) !== members) throw new ForbiddenJsonError('an object names a member twice');
  return value;
}

/** Members of all objects as they are written. @throws {ForbiddenJsonError} too deep */
function countMembers(text: Uint8Array): number {
  let depth = 0;
  let members = 0;
  let isString = false;
  for (let index = 0; index < text.length; index += 1) {
    const byte = text[index];
    if (isString) {
      if (byte === backslash) index += 1;
      else if (byte === quote) isString = false;
    } else if (byte === quote) {
      isString = true;
    } else if (byte === openBrace || byte === openBracket) {
      depth += 1;
      if (depth > maximumJsonDepth) throw new ForbiddenJsonError('it is nested too deeply');
    } else if (byte === closeBrace || byte === closeBracket) {
      depth -= 1;
    } else if (byte === colon) {
      members += 1;
    }
  }
  return members;
}

/** Members of all objects that were made of it; as deep as `countMembers` allowed. */
function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + countKeys(item), 0);
  let count = 0;
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__') throw new ForbiddenJsonError('a member is named __proto__');
    count += 1 + countKeys(item);
  }
  return count;
}
