import { parseCIDR } from '../cidr.ts';
import { ProblemList } from '../format-error.ts';
import {
  maximumAddresses,
  maximumDNSServers,
  maximumSearchDomains,
  minimumMTUForIPv6,
  type InterfaceKey,
  type ParsedWireGuardConf,
  type WireGuardInterface,
} from './conf.ts';
import { readLines } from './lines.ts';
import { readPeers } from './peers.ts';
import { SectionReader } from './section-reader.ts';
import { readSections, type Section } from './sections.ts';
import {
  readAddress,
  readDNS,
  readFwMark,
  readKeyMaterial,
  readListenPort,
  readMTU,
  readSaveConfig,
  readTable,
} from './values.ts';

export interface ParseOptions {
  /** For messages. */
  readonly fileName: string;
  /** Leaves out PreUp, PostUp, PreDown and PostDown instead of refusing the file. Nothing ever runs them. */
  readonly dropScripts?: boolean;
}

/**
 * Reads a configuration of wg-quick(8).
 *
 * Every key is honoured or refused, never passed over, and the result is canonical. The bytes may be anybody's:
 * sizes are capped (`conf.ts` has the figures), and text that looks other than it reads is refused.
 *
 * @throws FormatError with all problems of the file.
 */
export function parseWireGuardConf(bytes: Uint8Array, options: ParseOptions): ParsedWireGuardConf {
  const lines = readLines(bytes, options.fileName);
  const problems = new ProblemList(options.fileName);
  const sections = readSections(lines, options.dropScripts ?? false, problems);
  if (sections.interface === null) {
    const reason = 'There is no [Interface] section, so this is no WireGuard configuration.';
    throw problems.closedWith('missingSection', null, reason);
  }
  const parsed = readInterface(sections.interface, problems);
  const peers = readPeers(sections.peers, parsed.privateKey, problems);
  problems.throwIfAny();
  return { interface: parsed, peers, droppedLines: sections.droppedLines };
}

/** Where something was reported the result has a stand-in, which nobody sees. */
function readInterface(section: Section<InterfaceKey>, problems: ProblemList): WireGuardInterface {
  const reader = new SectionReader(section, problems);
  const privateKey = reader.one('PrivateKey', (value) => readKeyMaterial('PrivateKey', value));
  if (reader.lineOf('PrivateKey') === null) {
    problems.add('missingKey', section.line, '[Interface] has no PrivateKey. Add it.');
  }
  reader.one('SaveConfig', readSaveConfig);
  const addresses = unique(reader.many('Address', splitWords, readAddress).map(({ value }) => value));
  limit(reader, 'Address', 'addresses', addresses, maximumAddresses, problems);
  const mtu = reader.one('MTU', readMTU);
  if (mtu !== null && mtu < minimumMTUForIPv6 && addresses.some((text) => parseCIDR(text).family === 6)) {
    const least = String(minimumMTUForIPv6);
    problems.add(
      'invalidValue',
      reader.lineOf('MTU'),
      `MTU is below ${least}, with which IPv6 does not work. Raise it, or remove the IPv6 address.`,
    );
  }
  return {
    privateKey: privateKey ?? '',
    addresses,
    dns: readDNSSettings(reader, problems),
    mtu,
    table: reader.one('Table', readTable) ?? 'auto',
    fwmark: reader.one('FwMark', readFwMark),
    listenPort: reader.one('ListenPort', readListenPort),
  };
}

function readDNSSettings(
  reader: SectionReader<InterfaceKey>,
  problems: ProblemList,
): WireGuardInterface['dns'] {
  const words = reader.many('DNS', splitWords, readDNS).map(({ value }) => value);
  const servers = unique(words.flatMap((word) => ('server' in word ? [word.server] : [])));
  const searchDomains = unique(words.flatMap((word) => ('searchDomain' in word ? [word.searchDomain] : [])));
  limit(reader, 'DNS', 'servers', servers, maximumDNSServers, problems);
  limit(reader, 'DNS', 'search domains', searchDomains, maximumSearchDomains, problems);
  if (searchDomains.length > 0 && servers.length === 0) {
    const reason = 'DNS names search domains but no server to ask. Add the address of one.';
    problems.add('invalidValue', reader.lineOf('DNS'), reason);
  }
  return { servers, searchDomains };
}

function limit(
  reader: SectionReader<InterfaceKey>,
  key: InterfaceKey,
  what: string,
  values: readonly string[],
  maximum: number,
  problems: ProblemList,
): void {
  if (values.length <= maximum) return;
  const reason = `${key} has ${String(values.length)} ${what}; at most ${String(maximum)} are possible.`;
  problems.add('tooMany', reader.lineOf(key), reason);
}

/** As wg-quick does for Address and DNS: commas and spaces both separate. */
function splitWords(value: string): string[] {
  return value.split(/[, \t]/).filter((word) => word !== '');
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
