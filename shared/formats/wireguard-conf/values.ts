import {
  AddressSyntaxError,
  isMulticast,
  isUnspecified,
  networkOf,
  parseCIDR,
  parseIPAddress,
  type CIDR,
  type IPAddress,
} from '../cidr.ts';
import { parseDomainName } from '../domain-name.ts';
import type { FormatErrorCode } from '../format-error.ts';
import { quoted } from '../printable.ts';
import type { RoutingTable, WireGuardEndpoint } from './conf.ts';

/** A value that cannot be taken; the caller knows the file and the line. */
export class ValueError extends Error {
  override readonly name = 'ValueError';
  readonly code: FormatErrorCode;

  constructor(reason: string, code: FormatErrorCode = 'invalidValue') {
    super(reason);
    this.code = code;
  }
}

/** Largest value of a mark or a routing table's number, 32 bits. */
const maximumUint32 = 0xffff_ffff;
/** 43 characters hold 258 bits; the last one's two spare bits are zero, so that a key has one spelling. */
const keyPattern = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;
const zeroKey = `${'A'.repeat(43)}=`;
/** The kernel's own table for local and broadcast addresses. */
const localTable = 255;

/** 32 bytes in base64. The reason never quotes the value, which may be a secret. */
export function readKeyMaterial(key: string, value: string): string {
  if (!keyPattern.test(value)) {
    throw new ValueError(
      `${key} is not a WireGuard key: 32 bytes in base64, which is 44 characters, the last one "=". Copy it anew.`,
      'invalidKeyMaterial',
    );
  }
  if (value === zeroKey) {
    throw new ValueError(
      `${key} is all zeros, which stands for no key at all. Copy the real one.`,
      'invalidKeyMaterial',
    );
  }
  return value;
}

/** An address of the interface, with its host bits; without prefix length it stands alone. */
export function readAddress(value: string): string {
  const cidr = readCIDR('Address', value);
  refuseUnusable('Address', value, cidr.address);
  if (cidr.prefix === 0) {
    throw new ValueError(
      `Address ${quoted(value)} would make every address a neighbour. Write its real prefix length.`,
    );
  }
  return cidr.text;
}

/** One word of DNS: whatever has a colon or nothing but digits and dots is a server, as in wg-quick. */
export function readDNS(value: string): { server: string } | { searchDomain: string } {
  if (value.includes(':') || /^[0-9.]+$/.test(value)) {
    const server = addressOf('DNS', value, () => parseIPAddress(value));
    refuseUnusable('DNS', value, server);
    return { server: server.text };
  }
  const searchDomain = parseDomainName(value);
  if (searchDomain === null) {
    throw new ValueError(`DNS ${quoted(value)} is neither an IP address nor a domain name.`);
  }
  return { searchDomain };
}

/** 576 (RFC 791) to 65535. */
export function readMTU(value: string): number {
  return readNumber('MTU', value, 576, 65_535);
}

export function readTable(value: string): RoutingTable {
  const word = value.toLowerCase();
  if (word === 'auto' || word === 'off') return word;
  const table = readUint32(value);
  if (table === null || table === 0 || table === localTable) {
    throw new ValueError(
      `Table ${quoted(value)} is neither "auto", "off" nor the number of a table, from 1 to ${String(maximumUint32)} ` +
        `without ${String(localTable)}. Names of tables are not known here.`,
    );
  }
  return table;
}

/** A mark in decimal or hexadecimal; null for `off` and 0. */
export function readFwMark(value: string): number | null {
  const mark = value.toLowerCase() === 'off' ? 0 : readUint32(value);
  if (mark === null) {
    throw new ValueError(
      `FwMark ${quoted(value)} is neither "off" nor a number of 32 bits, decimal or 0x hexadecimal.`,
    );
  }
  return mark === 0 ? null : mark;
}

/** Null for 0, which is any port, as when there is no such line. */
export function readListenPort(value: string): number | null {
  const port = readNumber('ListenPort', value, 0, 65_535);
  return port === 0 ? null : port;
}

/** Only `false` can be honoured. */
export function readSaveConfig(value: string): false {
  const word = value.toLowerCase();
  if (word === 'false') return false;
  if (word !== 'true') throw new ValueError(`SaveConfig ${quoted(value)} is neither "true" nor "false".`);
  throw new ValueError(
    'SaveConfig = true is not supported: a running tunnel never rewrites its configuration. Remove the line.',
    'saveConfigRefused',
  );
}

/** A network of AllowedIPs, host bits cleared as wg does. */
export function readAllowedIPs(value: string): string {
  if (/^[+-]/.test(value)) {
    throw new ValueError(
      `AllowedIPs ${quoted(value)} has a sign, which changes a running device and means nothing in a file. Remove it.`,
    );
  }
  return networkOf(readCIDR('AllowedIPs', value)).text;
}

/** `192.0.2.1:51820`, `[2001:db8::1]:51820` or `vpn.example.com:51820`. */
export function readEndpoint(value: string): WireGuardEndpoint {
  const match = /^(?:\[(?<six>[^[\]]*)\]|(?<other>[^[\]:]*)):(?<port>[^:]*)$/.exec(value);
  if (match === null) {
    throw new ValueError(
      `Endpoint ${quoted(value)} is not of the form host:port. IPv6 addresses stand in brackets: [2001:db8::1]:51820.`,
    );
  }
  const { six, other = '', port = '' } = match.groups ?? {};
  return { host: readHost(value, six, other), port: readNumber("Endpoint's port", port, 1, 65_535) };
}

/** Seconds; null for `off` and 0. */
export function readPersistentKeepalive(value: string): number | null {
  if (value.toLowerCase() === 'off') return null;
  const seconds = readNumber('PersistentKeepalive', value, 0, 65_535, '"off" or ');
  return seconds === 0 ? null : seconds;
}

function readHost(value: string, six: string | undefined, other: string): string {
  if (six !== undefined || /^[0-9.]+$/.test(other)) {
    const address = addressOf('Endpoint', value, () => parseIPAddress(six ?? other));
    if (six !== undefined && address.family === 4) {
      throw new ValueError(`Endpoint ${quoted(value)} has an IPv4 address in brackets. Remove them.`);
    }
    refuseUnusable('Endpoint', value, address);
    return address.text;
  }
  const name = parseDomainName(other);
  if (name === null) {
    throw new ValueError(
      `Endpoint ${quoted(value)} names a host that is neither an IP address nor a DNS name.`,
    );
  }
  return name;
}

function readCIDR(key: string, value: string): CIDR {
  return addressOf(key, value, () => parseCIDR(value, { allowBare: true }));
}

function addressOf<T>(key: string, value: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof AddressSyntaxError)) throw error;
    throw new ValueError(`${key} ${quoted(value)} ${error.reason}.`);
  }
}

/** What stands for no machine, or for many. */
function refuseUnusable(key: string, value: string, address: IPAddress): void {
  if (isUnspecified(address) || isMulticast(address) || address.text === '255.255.255.255') {
    throw new ValueError(`${key} ${quoted(value)} is not the address of one machine.`);
  }
}

function readNumber(key: string, value: string, minimum: number, maximum: number, alternative = ''): number {
  const number = /^(?:0|[1-9]\d{0,9})$/.test(value) ? Number(value) : NaN;
  if (!(number >= minimum && number <= maximum)) {
    const range = `${alternative}a number from ${String(minimum)} to ${String(maximum)}`;
    throw new ValueError(`${key} ${quoted(value)} is not ${range}.`);
  }
  return number;
}

/** Decimal without leading zeros, or hexadecimal after `0x`; null for anything else. */
function readUint32(value: string): number | null {
  if (!/^(?:0|[1-9]\d{0,9}|0x[0-9A-Fa-f]{1,8})$/.test(value)) return null;
  const number = Number(value);
  return number <= maximumUint32 ? number : null;
}
