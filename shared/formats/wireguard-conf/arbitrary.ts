import fc from 'fast-check';
import { networkOf, parseCIDR, parseIPAddress } from '../cidr.ts';
import { parseDomainName } from '../domain-name.ts';
import type { WireGuardConf, WireGuardPeer } from './conf.ts';

/** Configurations for property tests: any that a file could give. */

const address = fc
  .oneof(
    fc.ipV4().filter((text) => !/^(?:0|22[4-9]|23\d|255)\./.test(text)),
    fc
      .tuple(
        fc.constantFrom('2001:db8', 'fd00', 'fe80'),
        fc.array(fc.nat(0xffff), { minLength: 4, maxLength: 4 }),
      )
      .map(([prefix, groups]) => `${prefix}::${groups.map((group) => group.toString(16)).join(':')}`),
  )
  .map((text) => parseIPAddress(text).text);

const cidr = fc
  .tuple(address, fc.integer({ min: 1, max: 128 }))
  .map(
    ([text, prefix]) =>
      parseCIDR(`${text}/${String(text.includes(':') ? prefix : ((prefix - 1) % 32) + 1)}`).text,
  );

const network = fc.oneof(
  fc.constantFrom('0.0.0.0/0', '::/0'),
  cidr.map((text) => networkOf(text).text),
);

const domainName = fc
  .domain()
  .map((text) => parseDomainName(text))
  .filter((name) => name !== null);

/** Base64 of 32 bytes, other than zeros. */
const keyMaterial = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .filter((bytes) => bytes.some((byte) => byte !== 0))
  .map((bytes) => btoa(String.fromCharCode(...bytes)));

const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null });
const port = fc.integer({ min: 1, max: 65_535 });
const uint32 = fc.integer({ min: 1, max: 0xffff_ffff });

const peer: fc.Arbitrary<WireGuardPeer> = fc.record({
  publicKey: keyMaterial,
  presharedKey: orNull(keyMaterial),
  allowedIPs: fc.uniqueArray(network, { maxLength: 60 }),
  endpoint: orNull(fc.record({ host: fc.oneof(address, domainName), port })),
  persistentKeepalive: orNull(port),
});

/** Keys and networks that nobody else has, as the parser demands. */
function withoutSharing(conf: WireGuardConf): WireGuardConf {
  const taken = new Set([conf.interface.privateKey]);
  const claim = (value: string): boolean => {
    if (taken.has(value)) return false;
    taken.add(value);
    return true;
  };
  const peers = conf.peers
    .filter(({ publicKey }) => claim(publicKey))
    .map((item) => ({
      ...item,
      presharedKey: item.presharedKey !== null && taken.has(item.presharedKey) ? null : item.presharedKey,
      allowedIPs: item.allowedIPs.filter(claim),
    }));
  return { ...conf, peers };
}

export const anyConf: fc.Arbitrary<WireGuardConf> = fc
  .record({
    interface: fc.record({
      privateKey: keyMaterial,
      addresses: fc.uniqueArray(cidr, { maxLength: 64 }),
      dns: fc.record({
        servers: fc.uniqueArray(address, { minLength: 1, maxLength: 16 }),
        searchDomains: fc.uniqueArray(domainName, { maxLength: 32 }),
      }),
      mtu: orNull(fc.integer({ min: 1280, max: 65_535 })),
      table: fc.oneof(
        fc.constantFrom('auto' as const, 'off' as const),
        uint32.filter((table) => table !== 255),
      ),
      fwmark: orNull(uint32),
      listenPort: orNull(port),
    }),
    peers: fc.array(peer, { minLength: 1, maxLength: 20 }),
  })
  .map(withoutSharing)
  .filter(({ peers }) => peers.length > 0);
