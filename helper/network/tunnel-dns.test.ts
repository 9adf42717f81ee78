import { describe, expect, it } from 'vitest';
import type { DNSSettings } from '@sallyport/shared/provider/network-settings.ts';
import { settingsOf } from './testing.ts';
import {
  leadsToResolved,
  parseResolvConf,
  renderResolvConf,
  resolvedDomains,
  tunnelDNS,
} from './tunnel-dns.ts';

function dns(settings: Partial<DNSSettings>): DNSSettings {
  const { dns: resolved } = settingsOf({ dns: { servers: ['10.0.0.53'], ...settings } });
  if (resolved === null) throw new Error('DNS settings expected');
  return resolved;
}

describe('tunnelDNS', () => {
  it('is the default with a default route, whatever the match domains say', () => {
    expect(tunnelDNS(dns({ matchDomains: ['corp.example'] }), true)).toMatchObject({
      isDefault: true,
      matchDomains: [],
    });
  });

  it('is the default for the empty match domain, else only for what is listed', () => {
    expect(tunnelDNS(dns({ matchDomains: ['', 'a.example'] }), false)).toMatchObject({ isDefault: true });
    expect(tunnelDNS(dns({ matchDomains: ['a.example'] }), false)).toMatchObject({
      isDefault: false,
      matchDomains: ['a.example'],
      searchDomains: ['a.example'],
    });
    expect(tunnelDNS(dns({ matchDomains: null }), false)).toMatchObject({
      isDefault: false,
      matchDomains: [],
    });
  });

  it('searches the own domain first, and match domains unless told otherwise', () => {
    const settings = {
      domainName: 'home.example',
      searchDomains: ['s.example'],
      matchDomains: ['m.example'],
    };
    expect(tunnelDNS(dns(settings), false).searchDomains).toEqual(['home.example', 's.example', 'm.example']);
    expect(tunnelDNS(dns({ ...settings, matchDomainsNoSearch: true }), false).searchDomains).toEqual([
      'home.example',
      's.example',
    ]);
  });

  it('writes international names in ASCII', () => {
    expect(tunnelDNS(dns({ searchDomains: ['Bücher.example.'] }), false).searchDomains).toEqual([
      'xn--bcher-kva.example',
    ]);
  });

  it.each(['a\nnameserver 6.6.6.6', 'a b', '-a.example', 'a..b', '*.example', 'a;b', '#', 'x'.repeat(64)])(
    'refuses the domain %j',
    (domain) => {
      expect(() => tunnelDNS(dns({ searchDomains: [domain] }), false)).toThrow(
        expect.objectContaining({ code: 'networkSettingsInvalid' }),
      );
    },
  );
});

describe('resolvedDomains', () => {
  it('routes match domains, searches the rest, and takes everything as the default', () => {
    const settings = dns({
      searchDomains: ['s.example'],
      matchDomains: ['m.example'],
      matchDomainsNoSearch: true,
    });
    expect(resolvedDomains(tunnelDNS(settings, false))).toEqual([
      { name: 's.example', routingOnly: false },
      { name: 'm.example', routingOnly: true },
    ]);
    expect(resolvedDomains(tunnelDNS(settings, true))).toEqual([
      { name: 's.example', routingOnly: false },
      { name: '.', routingOnly: true },
    ]);
  });
});

describe('renderResolvConf', () => {
  const original = 'domain old.example\nsearch lan.example # here\nnameserver 192.168.1.1\noptions edns0\n';
  const lines = (text: string | null): string[] =>
    (text ?? '').split('\n').filter((line) => !line.startsWith('#'));

  it('names the tunnel’s servers alone when they are the default', () => {
    const wish = tunnelDNS(dns({ servers: ['10.0.0.53', '10.0.0.54'], searchDomains: ['s.example'] }), true);
    expect(lines(renderResolvConf([wish], original, 'x'))).toEqual([
      'nameserver 10.0.0.53',
      'nameserver 10.0.0.54',
      'search s.example',
      'options edns0',
      '',
    ]);
  });

  it('puts the tunnel’s servers before the system’s for split DNS', () => {
    const wish = tunnelDNS(dns({ matchDomains: ['corp.example'] }), false);
    expect(lines(renderResolvConf([wish], original, 'x'))).toEqual([
      'nameserver 10.0.0.53',
      'nameserver 192.168.1.1',
      'search corp.example lan.example',
      'options edns0',
      '',
    ]);
  });

  it('leaves the file alone when nothing concerns it', () => {
    expect(renderResolvConf([], original, 'x')).toBe(null);
    expect(renderResolvConf([tunnelDNS(dns({}), false)], original, 'x')).toBe(null);
  });

  it('puts the newest default session first and names three servers at most', () => {
    const [a, b] = [
      ['10.0.0.1', '10.0.0.2'],
      ['10.0.1.1', '10.0.1.2'],
    ].map((servers) => tunnelDNS(dns({ servers, matchDomains: [''] }), false));
    expect(
      a !== undefined && b !== undefined && parseResolvConf(renderResolvConf([b, a], '', 'x') ?? '').servers,
    ).toEqual(['10.0.1.1', '10.0.1.2', '10.0.0.1']);
  });
});

describe('leadsToResolved', () => {
  it('is so for its stub alone', () => {
    expect(leadsToResolved('nameserver 127.0.0.53\noptions edns0')).toBe(true);
    expect(leadsToResolved('nameserver 127.0.0.53\nnameserver 8.8.8.8')).toBe(false);
    expect(leadsToResolved('')).toBe(false);
    expect(leadsToResolved(null)).toBe(false);
  });
});
