import { KeychainError } from '@sallyport/shared/protocol/errors.ts';
import { maximumCredentialName, maximumCredentialPassword } from '@sallyport/shared/provider/keychain.ts';

/** An item's names: what an item is found by. */
export interface ItemNames {
  readonly service: string;
  readonly account: string;
}

export interface Item extends ItemNames {
  readonly password: string;
}

const version = 1;
const lengthBytes = 2;

/** @throws {TypeError} empty or not well-formed @throws {KeychainError} `tooLarge` */
export function checkName(name: string, what: 'service' | 'account'): void {
  checkText(name, what);
  if (name.length > maximumCredentialName) {
    throw new KeychainError(
      'tooLarge',
      `The ${what} of a keychain item has ${String(name.length)} characters; at most ${String(maximumCredentialName)} are allowed.`,
    );
  }
}

/** @throws {TypeError} empty or not well-formed @throws {KeychainError} `tooLarge` */
export function checkPassword(password: string): void {
  checkText(password, 'password');
  const bytes = Buffer.byteLength(password);
  if (bytes > maximumCredentialPassword) {
    throw new KeychainError(
      'tooLarge',
      `The password of a keychain item has ${String(bytes)} bytes; at most ${String(maximumCredentialPassword)} are allowed.`,
    );
  }
}

/** A half of a surrogate pair has no UTF-8 and would come back as something else. */
function checkText(text: unknown, what: string): void {
  if (typeof text !== 'string' || text === '' || !text.isWellFormed()) {
    throw new TypeError(`The ${what} of a keychain item must be a well-formed string that is not empty.`);
  }
}

/** Writes a checked item as bytes, which hold the password: wipe them after use. */
export function encodeItem({ service, account, password }: Item): Buffer {
  const sizes = [service, account, password].map((text) => Buffer.byteLength(text));
  const total = sizes.reduce((sum, size) => sum + size, 1 + 2 * lengthBytes);
  const record = Buffer.alloc(total);
  let at = record.writeUInt8(version, 0);
  for (const name of [service, account]) {
    const length = record.write(name, at + lengthBytes, 'utf8');
    record.writeUInt16BE(length, at);
    at += lengthBytes + length;
  }
  record.write(password, at, 'utf8');
  return record;
}

/** Reads the names of an item, and where its password begins. @returns null when the bytes are no item */
function decodeNames(record: Uint8Array): (ItemNames & { readonly end: number }) | null {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
  if (bytes[0] !== version) return null;
  const names: string[] = [];
  let at = 1;
  while (names.length < 2) {
    if (at + lengthBytes > bytes.byteLength) return null;
    const length = bytes.readUInt16BE(at);
    at += lengthBytes;
    if (length > bytes.byteLength - at) return null;
    names.push(bytes.toString('utf8', at, at + length));
    at += length;
  }
  const [service = '', account = ''] = names;
  return { service, account, end: at };
}

/** The names of an item, its password left in the bytes. @returns null when the bytes are no item */
export function decodeItemNames(record: Uint8Array): ItemNames | null {
  const names = decodeNames(record);
  return names === null ? null : { service: names.service, account: names.account };
}

/** @returns null when the bytes are no item */
export function decodeItem(record: Uint8Array): Item | null {
  const names = decodeNames(record);
  if (names === null) return null;
  const { service, account, end } = names;
  const password = Buffer.from(record.buffer, record.byteOffset + end, record.byteLength - end);
  return { service, account, password: password.toString('utf8') };
}
