import { domainToASCII } from 'node:url';
import { NetworkSettingsError } from '@sallyport/shared/protocol/errors.ts';
import type { DNSSettings } from '@sallyport/shared/provider/network-settings.ts';

/** What a session asks of name resolution, free of how the system does it. */
export interface TunnelDNS {
  readonly servers: readonly string[];
  /** Every name goes to the servers. */
  readonly isDefault: boolean;
  /** Names at or below these go to the servers. */
  readonly matchDomains: readonly string[];
  /** Completes short names, in order. */
  readonly searchDomains: readonly string[];
}

/**
 * Reads `DNSSettings` as NetworkExtension does: the servers are the default if the tunnel is the default route or
 * `matchDomains` holds `''`; a list of domains is split DNS, and without `matchDomainsNoSearch` also searched;
 * null without a default route leaves the servers to the search domains alone.
 *
 * @throws {NetworkSettingsError} `networkSettingsInvalid` for a domain that is none
 */
export function tunnelDNS(settings: DNSSettings, isDefaultRoute: boolean): TunnelDNS {
  const matched = (settings.matchDomains ?? []).filter((domain) => domain !== '').map(domainName);
  const isDefault = isDefaultRoute || (settings.matchDomains?.includes('') ?? false);
  const search = [
    ...(settings.domainName === null || settings.domainName === '' ? [] : [domainName(settings.domainName)]),
    ...settings.searchDomains.map(domainName),
    ...(settings.matchDomainsNoSearch ? [] : matched),
  ];
  return {
    servers: [...new Set(settings.servers)],
    isDefault,
    matchDomains: isDefaultRoute ? [] : [...new Set(matched)],
    searchDomains: [...new Set(search)],
  };
}

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** The domain's ASCII form. The check keeps line breaks and options out of resolv.conf. */
function domainName(text: string): string {
  const bare = text.replace(/^\./, '').replace(/\.$/, '');
  const ascii = /^[\x21-\x7e]+$/.test(bare) ? bare.toLowerCase() : domainToASCII(bare);
  if (ascii.length > 253 || !ascii.split('.').every((part) => label.test(part))) {
    throw new NetworkSettingsError(
      'networkSettingsInvalid',
      `The DNS settings name the domain ${JSON.stringify(text)}, which is not a domain name. Correct or remove it.`,
    );
  }
  return ascii;
}

/** Domains of a link in systemd-resolved; a domain that is searched is routed as well. */
export function resolvedDomains(dns: TunnelDNS): { name: string; routingOnly: boolean }[] {
  const search = new Set(dns.searchDomains);
  return [
    ...dns.searchDomains.map((name) => ({ name, routingOnly: false })),
    ...dns.matchDomains.filter((name) => !search.has(name)).map((name) => ({ name, routingOnly: true })),
    ...(dns.isDefault ? [{ name: '.', routingOnly: true }] : []),
  ];
}

/** glibc reads no more (resolv.h, MAXNS). */
const maximumServers = 3;

/**
 * The resolv.conf for the sessions' wishes, newest first, or null if none concerns it.
 *
 * A default tunnel's servers stand alone, so that no name goes around it. The file cannot tell names apart: split
 * DNS therefore puts the tunnel's servers before the system's own, which means that every name is asked of the
 * tunnel first. With systemd-resolved it is real split DNS.
 *
 * @param original text of the file that ours replaces
 * @param owner who to name in the header
 */
export function renderResolvConf(
  wishes: readonly TunnelDNS[],
  original: string,
  owner: string,
): string | null {
  const defaults = wishes.filter((wish) => wish.isDefault);
  const chosen = defaults.length > 0 ? defaults : wishes.filter((wish) => wish.matchDomains.length > 0);
  if (chosen.length === 0) return null;
  const system = parseResolvConf(original);
  const search = new Set(chosen.flatMap((wish) => wish.searchDomains));
  const servers = new Set(chosen.flatMap((wish) => wish.servers));
  if (defaults.length === 0) {
    for (const domain of system.search) search.add(domain);
    for (const server of system.servers) servers.add(server);
  }
  return [
    `# Made by Sallyport for ${owner}. The system's own file comes back when the tunnel is disconnected.`,
    ...[...servers].slice(0, maximumServers).map((server) => `nameserver ${server}`),
    ...(search.size === 0 ? [] : [`search ${[...search].join(' ')}`]),
    ...system.options.map((options) => `options ${options}`),
    '',
  ].join('\n');
}

/** The parts of resolv.conf(5) that matter here; the last `domain` or `search` line wins. */
export function parseResolvConf(text: string): { servers: string[]; search: string[]; options: string[] } {
  const result: { servers: string[]; search: string[]; options: string[] } = {
    servers: [],
    search: [],
    options: [],
  };
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && values[0] !== undefined) result.servers.push(values[0]);
    else if (keyword === 'search') result.search = values;
    else if (keyword === 'domain') result.search = values.slice(0, 1);
    else if (keyword === 'options' && values.length > 0) result.options.push(values.join(' '));
  }
  return result;
}

/** Whether programs that read resolv.conf end up at systemd-resolved's stub, and at nothing else. */
export function leadsToResolved(resolvConf: string | null): boolean {
  const { servers } = parseResolvConf(resolvConf ?? '');
  return servers.length > 0 && servers.every((server) => server === '127.0.0.53' || server === '127.0.0.54');
}
