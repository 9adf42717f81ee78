import ipaddr from 'ipaddr.js';
import * as z from 'zod';

export type IPFamily = 4 | 6;

/** An IP address, and an address with a prefix length. Both are immutable. */
export interface IPAddress {
  readonly family: IPFamily;
  /** Canonical text: dotted decimal, or RFC 5952. */
  readonly text: string;
  /** 4 or 16 numbers from 0 to 255, most significant first. */
  readonly bytes: readonly number[];
}

export interface CIDR {
  readonly family: IPFamily;
  /** With its host bits, since an interface's address needs them; {@link networkOf} clears them. */
  readonly address: IPAddress;
  /** 0 to 32 or 0 to 128. */
  readonly prefix: number;
  /** Canonical text, such as `10.0.0.1/24`. */
  readonly text: string;
}

/** Text that is not an address or a CIDR; `reason` completes the sentence `"…" <reason>`. */
export class AddressSyntaxError extends Error {
  override readonly name = 'AddressSyntaxError';
  readonly reason: string;

  constructor(reason: string) {
    super(`The address ${reason}.`);
    this.reason = reason;
  }
}

/** Longest canonical or accepted text: 8 × 4 digits, 7 colons and `/128`, or a dotted tail instead of two groups. */
const maximumTextLength = 45 + 4;

const decimalPrefix = /^(?:0|[1-9]\d{0,2})$/;

/** The family's address length in bits. */
export function bitsOf(family: IPFamily): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/**
 * Reads an IP address, more strictly than `inet_aton` and most libraries.
 *
 * IPv4 is four decimal numbers without leading zeros, so that nobody reads 010 as 8. IPv6 has no zone, since a
 * zone names an interface of one machine. IPv4 in IPv6's clothes (`::ffff:0:0/96`, RFC 4291, 2.5.5.2) is refused,
 * since it would slip past every comparison with the IPv4 address it stands for; see {@link unmapped}.
 *
 * @throws AddressSyntaxError
 */
export function parseIPAddress(text: string): IPAddress {
  const address = readIPAddress(text);
  if (isMapped(address)) {
    throw new AddressSyntaxError('is an IPv4 address in IPv6 form; write it as IPv4');
  }
  return address;
}

/**
 * Reads an address with prefix length. Host bits are kept, see {@link networkOf}.
 *
 * @param options - `allowBare`: an address without a prefix length means that one address (/32 or /128).
 * @throws AddressSyntaxError
 */
export function parseCIDR(text: string, options: { readonly allowBare?: boolean } = {}): CIDR {
  const slash = text.indexOf('/');
  if (slash === -1) {
    const address = parseIPAddress(text);
    if (options.allowBare !== true) {
      throw new AddressSyntaxError(`has no prefix length, such as /${String(bitsOf(address.family))}`);
    }
    return makeCIDR(address, bitsOf(address.family));
  }
  const address = parseIPAddress(text.slice(0, slash));
  const prefix = text.slice(slash + 1);
  const bits = bitsOf(address.family);
  if (!decimalPrefix.test(prefix) || Number(prefix) > bits) {
    throw new AddressSyntaxError(`has a prefix length that is not a number from 0 to ${String(bits)}`);
  }
  return makeCIDR(address, Number(prefix));
}

/** The network that holds the address: its host bits cleared. */
export function networkOf(cidr: string | CIDR): CIDR {
  const { address, prefix, family } = toCIDR(cidr);
  const bytes = address.bytes.map((byte, index) => byte & maskByte(prefix, index));
  return makeCIDR({ family, bytes, text: formatBytes(bytes) }, prefix);
}

/** Whether every address of `inner` is in `outer`. Host bits do not matter; families never contain each other. */
export function contains(outer: string | CIDR, inner: string | CIDR): boolean {
  const [a, b] = [toCIDR(outer), toCIDR(inner)];
  return a.family === b.family && a.prefix <= b.prefix && sharePrefix(a, b, a.prefix);
}

/** Whether an address lies in a network. */
export function containsAddress(network: string | CIDR, address: string | IPAddress): boolean {
  const ip = typeof address === 'string' ? parseIPAddress(address) : address;
  return contains(network, makeCIDR(ip, bitsOf(ip.family)));
}

/** Whether two networks have an address in common, which means that one contains the other. */
export function overlaps(left: string | CIDR, right: string | CIDR): boolean {
  const [a, b] = [toCIDR(left), toCIDR(right)];
  return a.family === b.family && sharePrefix(a, b, Math.min(a.prefix, b.prefix));
}

/** Whether it is all of its family: `0.0.0.0/0` or `::/0`. */
export function isDefaultRoute(cidr: string | CIDR): boolean {
  return toCIDR(cidr).prefix === 0;
}

/** `0.0.0.0` or `::`: no address at all. */
export function isUnspecified(address: IPAddress): boolean {
  return address.bytes.every((byte) => byte === 0);
}

/** 224.0.0.0/4 (RFC 5771) or ff00::/8 (RFC 4291, 2.7). */
export function isMulticast(address: IPAddress): boolean {
  const first = address.bytes[0] ?? 0;
  return address.family === 4 ? first >= 224 && first <= 239 : first === 0xff;
}

/**
 * The same address in its own family, for addresses that the system reports: a dual-stack socket names an IPv4
 * peer `::ffff:192.0.2.1`.
 *
 * @throws AddressSyntaxError
 */
export function unmapped(text: string): IPAddress {
  const address = readIPAddress(text);
  if (!isMapped(address)) return address;
  const bytes = address.bytes.slice(12);
  return { family: 4, bytes, text: formatBytes(bytes) };
}

/** An IP address in strict syntax; the value becomes its canonical text. */
export const ipAddressSchema = z
  .string()
  .superRefine(strict((text) => parseIPAddress(text)))
  .overwrite(canonical((text) => parseIPAddress(text).text));

/** An address with prefix length in strict syntax; the value becomes its canonical text, host bits kept. */
export const cidrSchema = z
  .string()
  .superRefine(strict((text) => parseCIDR(text)))
  .overwrite(canonical((text) => parseCIDR(text).text));

/** Like {@link cidrSchema}, with the host bits cleared. */
export const networkSchema = z
  .string()
  .superRefine(strict((text) => parseCIDR(text)))
  .overwrite(canonical((text) => networkOf(text).text));

function readIPAddress(text: string): IPAddress {
  if (text.length > maximumTextLength) throw new AddressSyntaxError('is too long to be an IP address');
  if (text.includes('%')) throw new AddressSyntaxError('names a zone, which only one machine understands');
  if (!text.includes(':')) {
    if (!ipaddr.IPv4.isValidFourPartDecimal(text)) {
      const octal = /^\d+(?:\.\d+){3}$/.test(text) && /(?:^|\.)0\d/.test(text);
      throw new AddressSyntaxError(
        octal ? 'has a leading zero, which some programs read as octal' : 'is not an IP address',
      );
    }
    const bytes = ipaddr.IPv4.parse(text).toByteArray();
    return { family: 4, bytes, text: formatBytes(bytes) };
  }
  const groups = withoutDottedTail(text);
  if (!/^[0-9A-Fa-f:]+$/.test(groups) || !ipaddr.IPv6.isValid(groups)) {
    throw new AddressSyntaxError('is not an IPv6 address');
  }
  const bytes = ipaddr.IPv6.parse(groups).toByteArray();
  return { family: 6, bytes, text: formatBytes(bytes) };
}

/** Turns `64:ff9b::192.0.2.1` into groups alone, since ipaddr.js reads `::192.0.2.1` as `::ffff:192.0.2.1`. */
function withoutDottedTail(text: string): string {
  const start = text.lastIndexOf(':') + 1;
  const tail = text.slice(start);
  if (!tail.includes('.')) return text;
  if (!ipaddr.IPv4.isValidFourPartDecimal(tail)) {
    throw new AddressSyntaxError('ends in something that is not an IPv4 address');
  }
  const [a = 0, b = 0, c = 0, d = 0] = ipaddr.IPv4.parse(tail).toByteArray();
  return `${text.slice(0, start)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

function isMapped(address: IPAddress): boolean {
  return (
    address.family === 6 &&
    address.bytes.every((byte, index) => index >= 12 || byte === (index >= 10 ? 0xff : 0))
  );
}

function formatBytes(bytes: readonly number[]): string {
  return bytes.length === 4 ? bytes.join('.') : new ipaddr.IPv6([...bytes]).toRFC5952String();
}

function makeCIDR(address: IPAddress, prefix: number): CIDR {
  return { family: address.family, address, prefix, text: `${address.text}/${String(prefix)}` };
}

function toCIDR(cidr: string | CIDR): CIDR {
  return typeof cidr === 'string' ? parseCIDR(cidr) : cidr;
}

function maskByte(prefix: number, index: number): number {
  const bits = Math.max(0, Math.min(8, prefix - index * 8));
  return (0xff << (8 - bits)) & 0xff;
}

function sharePrefix(a: CIDR, b: CIDR, prefix: number): boolean {
  return a.address.bytes.every((byte, index) => {
    const difference = byte ^ (b.address.bytes[index] ?? 0);
    return (difference & maskByte(prefix, index)) === 0;
  });
}

function strict(parse: (text: string) => unknown): (text: string, context: z.core.$RefinementCtx) => void {
  return (text, context) => {
    try {
      parse(text);
    } catch (error) {
      if (!(error instanceof AddressSyntaxError)) throw error;
      context.addIssue({ code: 'custom', message: error.reason, continue: false });
    }
  };
}

/** `overwrite` also runs on a value that was refused before it, which then stays as it is. */
function canonical(format: (text: string) => string): (text: string) => string {
  return (text) => {
    try {
      return format(text);
    } catch (error) {
      if (error instanceof AddressSyntaxError) return text;
      throw error;
    }
  };
}
