import type { WireGuardConf, WireGuardEndpoint } from './conf.ts';
import {
  readAddress,
  readAllowedIPs,
  readDNS,
  readEndpoint,
  readFwMark,
  readKeyMaterial,
  readListenPort,
  readMTU,
  readPersistentKeepalive,
  readTable,
} from './values.ts';

/** Bounds a line well below what the parser takes. */
const maximumListLength = 1000;

/**
 * Writes a configuration as a file for wg-quick(8). **The text holds secrets.**
 *
 * Reading it again gives an equal configuration. Every value goes through the parser's own check first, so that none
 * can smuggle in a line.
 *
 * @throws ValueError for a configuration that no file could have given.
 */
export function formatWireGuardConf(conf: WireGuardConf): string {
  const { interface: own, peers } = conf;
  return [
    '[Interface]',
    setting('PrivateKey', own.privateKey, (value) => readKeyMaterial('PrivateKey', value)),
    ...list('Address', own.addresses, readAddress),
    ...list('DNS', [...own.dns.servers, ...own.dns.searchDomains], readDNS),
    ...optional('MTU', own.mtu, readMTU),
    ...optional('Table', own.table === 'auto' ? null : own.table, readTable),
    ...optional('FwMark', own.fwmark, readFwMark),
    ...optional('ListenPort', own.listenPort, readListenPort),
    ...peers.flatMap((peer) => [
      '',
      '[Peer]',
      setting('PublicKey', peer.publicKey, (value) => readKeyMaterial('PublicKey', value)),
      ...optional('PresharedKey', peer.presharedKey, (value) => readKeyMaterial('PresharedKey', value)),
      ...list('AllowedIPs', peer.allowedIPs, readAllowedIPs),
      ...optional('Endpoint', peer.endpoint === null ? null : formatEndpoint(peer.endpoint), readEndpoint),
      ...optional('PersistentKeepalive', peer.persistentKeepalive, readPersistentKeepalive),
    ]),
    '',
  ].join('\n');
}

/** `host:port`, an IPv6 address in brackets. */
export function formatEndpoint({ host, port }: WireGuardEndpoint): string {
  return `${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
}

function setting(key: string, value: string, check: (value: string) => unknown): string {
  check(value);
  return `${key} = ${value}`;
}

function optional(key: string, value: string | number | null, check: (value: string) => unknown): string[] {
  return value === null ? [] : [setting(key, String(value), check)];
}

function list(key: string, values: readonly string[], check: (value: string) => unknown): string[] {
  const lines: string[] = [];
  let line = '';
  for (const value of values) {
    check(value);
    if (line !== '' && line.length + value.length > maximumListLength) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? `${key} = ${value}` : `${line}, ${value}`;
  }
  return line === '' ? lines : [...lines, line];
}
