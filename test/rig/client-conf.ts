import type { AllowedClient } from './foreign-peer.ts';
import { peerPort, type PeerSite } from './peer-site.ts';
import { generateKeyPair, generatePresharedKey } from './wireguard-keys.ts';

export interface ClientConfOptions {
  /** Families of the tunnel's addresses; both unless told. */
  readonly families?: 'both' | 'v4' | 'v6';
  /** `AllowedIPs`; the peer's tunnel networks of those families unless told. */
  readonly allowedIPs?: readonly string[];
  /** `DNS`: servers and search domains; the line is left out unless told. */
  readonly dns?: readonly string[];
  /** Host part of `Endpoint`, a name or an address; the peer's IPv4 address on the cable unless told. */
  readonly endpointHost?: string;
  readonly mtu?: number;
  readonly listenPort?: number;
  /** `Table`. */
  readonly table?: string;
  readonly fwMark?: string;
  /** Seconds. */
  readonly persistentKeepalive?: number;
  readonly presharedKey?: boolean;
}

/** A client that the peer lets in, and the file that makes one such client. */
export interface ClientConf {
  /** In the format of wg-quick. */
  readonly text: string;
  readonly publicKey: string;
  readonly privateKey: string;
  readonly presharedKey: string | undefined;
  /** The client's addresses inside the tunnel, without prefix length. */
  readonly addresses: readonly string[];
  /** The `[Peer]` section alone, to be joined to another file: a tunnel with several peers. */
  readonly peerSection: string;
  /** What the peer must know. */
  readonly allowed: AllowedClient;
}

/** Makes the configuration of a peer's client number `number`, 1 or more. */
export function makeClientConf(
  site: PeerSite,
  peerPublicKey: string,
  number: number,
  options: ClientConfOptions = {},
): ClientConf {
  const families = options.families ?? 'both';
  const host = number + 1;
  const addresses = [
    ...(families === 'v6' ? [] : [site.tunnel.v4.replace(/\d+$/, String(host))]),
    ...(families === 'v4' ? [] : [site.tunnel.v6.replace(/\d+$/, host.toString(16))]),
  ];
  const networks = [
    ...(families === 'v6' ? [] : [site.tunnelNetworks.v4]),
    ...(families === 'v4' ? [] : [site.tunnelNetworks.v6]),
  ];
  const keys = generateKeyPair();
  const presharedKey = options.presharedKey === true ? generatePresharedKey() : undefined;
  const endpointHost = options.endpointHost ?? site.underlay.peer.v4;

  const peerSection = section('Peer', {
    PublicKey: peerPublicKey,
    PresharedKey: presharedKey,
    AllowedIPs: (options.allowedIPs ?? networks).join(', '),
    Endpoint: `${endpointHost.includes(':') ? `[${endpointHost}]` : endpointHost}:${String(peerPort)}`,
    PersistentKeepalive: options.persistentKeepalive,
  });
  const interfaceSection = section('Interface', {
    PrivateKey: keys.privateKey,
    Address: addresses.map((address) => `${address}${address.includes(':') ? '/64' : '/24'}`).join(', '),
    ListenPort: options.listenPort,
    DNS: options.dns?.join(', '),
    MTU: options.mtu,
    Table: options.table,
    FwMark: options.fwMark,
  });
  return {
    ...keys,
    text: `${interfaceSection}\n${peerSection}`,
    peerSection,
    presharedKey,
    addresses,
    allowed: {
      publicKey: keys.publicKey,
      allowedIPs: addresses.map((address) => `${address}${address.includes(':') ? '/128' : '/32'}`),
      ...(presharedKey === undefined ? {} : { presharedKey }),
    },
  };
}

function section(name: string, entries: Readonly<Record<string, string | number | undefined>>): string {
  const lines = Object.entries(entries).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key} = ${String(value)}\n`],
  );
  return `[${name}]\n${lines.join('')}`;
}
