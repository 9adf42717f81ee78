import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../protocol/json.ts';
import { anyConf } from './wireguard-conf/arbitrary.ts';
import {
  otherKey,
  parse,
  presharedKey,
  privateKey,
  publicKey,
  withInterface,
  withPeer,
} from './wireguard-conf/test-support.ts';
import { parseWireGuardProviderConfiguration, wireGuardConfiguration } from './wireguard-settings.ts';

const reference = (count: number): string => `00000000-0000-4000-8000-${String(count).padStart(12, '0')}`;

/** References that are counted, so that results can be written down. */
function counter(): () => string {
  let count = 0;
  return () => reference(++count);
}

describe('wireGuardConfiguration', () => {
  it('puts references in place of secrets', () => {
    const conf = parse(
      withPeer(
        `PresharedKey = ${presharedKey}`,
        'AllowedIPs = 0.0.0.0/0',
        'Endpoint = [2001:db8::1]:51820',
        'PersistentKeepalive = 25',
        '[Peer]',
        `PublicKey = ${otherKey}`,
      ),
    );
    expect(wireGuardConfiguration(conf, counter())).toEqual({
      providerConfiguration: {
        privateKey: { secretReference: reference(1) },
        addresses: [],
        dns: { servers: [], searchDomains: [] },
        mtu: null,
        table: 'auto',
        fwmark: null,
        listenPort: null,
        peers: [
          {
            publicKey,
            presharedKey: { secretReference: reference(2) },
            allowedIPs: ['0.0.0.0/0'],
            endpoint: { host: '2001:db8::1', port: 51820 },
            persistentKeepalive: 25,
          },
          {
            publicKey: otherKey,
            presharedKey: null,
            allowedIPs: [],
            endpoint: null,
            persistentKeepalive: null,
          },
        ],
        blockOtherFamily: true,
      },
      secrets: { [reference(1)]: privateKey, [reference(2)]: presharedKey },
      secretReferences: [reference(1), reference(2)],
      publicSummary: {
        serverAddress: '[2001:db8::1]:51820',
        addresses: [],
        dnsServers: [],
        publicKeys: [publicKey, otherKey],
        fullTunnel: { ipv4: true, ipv6: false },
      },
    });
  });

  it('loses nothing, and leaks nothing, of any configuration', () => {
    fc.assert(
      fc.property(anyConf, (conf) => {
        const { providerConfiguration, secrets, secretReferences, publicSummary } = wireGuardConfiguration(
          conf,
          () => crypto.randomUUID(),
        );
        const dictionary: JsonObject = providerConfiguration;
        const stored: unknown = JSON.parse(JSON.stringify(dictionary));
        expect(parseWireGuardProviderConfiguration(stored).data).toEqual(providerConfiguration);
        expect(secretReferences).toEqual(Object.keys(secrets));
        const shown = JSON.stringify([providerConfiguration, publicSummary]);
        for (const secret of Object.values(secrets)) expect(shown).not.toContain(secret);

        const { blockOtherFamily, ...rest } = providerConfiguration;
        const reveal = (at: { secretReference: string }): string => secrets[at.secretReference] ?? 'missing';
        expect(blockOtherFamily).toBe(true);
        const { privateKey: own, peers, ...settings } = rest;
        expect({
          interface: { ...settings, privateKey: reveal(own) },
          peers: peers.map((peer) => ({
            ...peer,
            presharedKey: peer.presharedKey === null ? null : reveal(peer.presharedKey),
          })),
        }).toEqual(conf);
      }),
    );
  });

  it('knows which families go through the tunnel as a whole', () => {
    const familiesOf = (networks: string): unknown =>
      wireGuardConfiguration(parse(withPeer(`AllowedIPs = ${networks}`)), counter()).publicSummary.fullTunnel;
    expect(familiesOf('0.0.0.0/0, ::/0')).toEqual({ ipv4: true, ipv6: true });
    expect(familiesOf('0.0.0.0/1, 128.0.0.0/1, ::/1')).toEqual({ ipv4: true, ipv6: false });
    expect(familiesOf('8000::/1, ::/1, 10.0.0.0/8')).toEqual({ ipv4: false, ipv6: true });
    const unrouted = parse(`${withInterface('Table = off')}AllowedIPs = 0.0.0.0/0`);
    expect(wireGuardConfiguration(unrouted, counter()).publicSummary.fullTunnel.ipv4).toBe(false);
  });

  it('refuses references that would mix up secrets', () => {
    const conf = parse(withPeer(`PresharedKey = ${presharedKey}`));
    expect(() => wireGuardConfiguration(conf, () => reference(1))).toThrow(/one reference/);
    expect(() => wireGuardConfiguration(parse(withPeer()), () => 'mine')).toThrow(/UUID/i);
  });

  it('lets the other family pass where that was chosen', () => {
    const { providerConfiguration } = wireGuardConfiguration(parse(withPeer()), counter(), {
      blockOtherFamily: false,
    });
    expect(providerConfiguration.blockOtherFamily).toBe(false);
  });
});

describe('parseWireGuardProviderConfiguration', () => {
  const peer = { publicKey, allowedIPs: ['10.0.0.0/8'] };
  const least = { privateKey: { secretReference: reference(1) }, peers: [peer] };

  it('fills in defaults', () => {
    expect(parseWireGuardProviderConfiguration(least).data).toMatchObject({
      addresses: [],
      dns: { servers: [], searchDomains: [] },
      table: 'auto',
      blockOtherFamily: true,
      peers: [{ presharedKey: null, endpoint: null, persistentKeepalive: null }],
    });
  });

  it.each<[string, unknown]>([
    ['nothing', null],
    ['a secret in place of its reference', { ...least, privateKey }],
    ['a secret as reference', { ...least, privateKey: { secretReference: privateKey } }],
    ['no peer', { ...least, peers: [] }],
    ['an unknown key', { ...least, postUp: 'reboot' }],
    ['a bad public key', { ...least, peers: [{ ...peer, publicKey: publicKey.slice(1) }] }],
    ['one peer twice', { ...least, peers: [peer, { ...peer, allowedIPs: [] }] }],
    ['one network twice', { ...least, peers: [peer, { publicKey: otherKey, allowedIPs: ['10.1.1.1/8'] }] }],
    ['a host with a line break', { ...least, peers: [{ ...peer, endpoint: { host: 'a\nb', port: 1 } }] }],
    ['port 0', { ...least, peers: [{ ...peer, endpoint: { host: 'a.example', port: 0 } }] }],
    ['an address in octal', { ...least, addresses: ['010.0.0.1/8'] }],
    ['a search domain that is none', { ...least, dns: { servers: [], searchDomains: ['a b'] } }],
    ['table 0', { ...least, table: 0 }],
  ])('refuses %s', (_, value) => {
    expect(parseWireGuardProviderConfiguration(value).success).toBe(false);
  });
});
