/** Longest file, in bytes. */
export const maximumBytes = 256 * 1024;
/** Longest line, in bytes without its end. */
export const maximumLineBytes = 4096;
export const maximumPeers = 1000;
/** Most AllowedIPs of all peers together. */
export const maximumAllowedIPs = 10_000;
export const maximumAddresses = 64;
export const maximumDNSServers = 16;
export const maximumSearchDomains = 32;

/** RFC 8200, 5. */
export const minimumMTUForIPv6 = 1280;

/** Where the routes go: chosen by policy rules, nowhere, or into the table of this number. */
export type RoutingTable = 'auto' | 'off' | number;

/** What a wg-quick file says, checked and in canonical form. **Holds secrets.** */
export interface WireGuardConf {
  readonly interface: WireGuardInterface;
  /** At least one. */
  readonly peers: readonly WireGuardPeer[];
}

export interface WireGuardInterface {
  /** 32 bytes in base64. Secret. */
  readonly privateKey: string;
  /** With prefix length and host bits: `10.0.0.2/24`. May be empty, as in the files of `wg showconf`. */
  readonly addresses: readonly string[];
  readonly dns: { readonly servers: readonly string[]; readonly searchDomains: readonly string[] };
  /** 576 to 65535, and 1280 at least with an IPv6 address; null leaves the choice to the tunnel. */
  readonly mtu: number | null;
  readonly table: RoutingTable;
  /** 1 to 4294967295; null is off, which leaves the choice to a full tunnel. */
  readonly fwmark: number | null;
  /** 1 to 65535; null takes any. */
  readonly listenPort: number | null;
}

export interface WireGuardPeer {
  /** 32 bytes in base64. */
  readonly publicKey: string;
  /** 32 bytes in base64. Secret. */
  readonly presharedKey: string | null;
  /** Networks without host bits. No network belongs to two peers. */
  readonly allowedIPs: readonly string[];
  /** Null for a peer that calls us. */
  readonly endpoint: WireGuardEndpoint | null;
  /** Seconds, 1 to 65535; null is off. */
  readonly persistentKeepalive: number | null;
}

export interface WireGuardEndpoint {
  /** A DNS name in lower case or an IP address, IPv6 without brackets. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** A script line that was left out. */
export interface DroppedLine {
  readonly line: number;
  readonly key: ScriptKey;
}

/** What `parseWireGuardConf` returns. **Holds secrets.** */
export interface ParsedWireGuardConf extends WireGuardConf {
  /** Empty unless `dropScripts` was chosen and there were any. */
  readonly droppedLines: readonly DroppedLine[];
}

export const scriptKeys = ['PreUp', 'PostUp', 'PreDown', 'PostDown'] as const;
export type ScriptKey = (typeof scriptKeys)[number];

export const interfaceKeys = [
  'PrivateKey',
  'Address',
  'DNS',
  'MTU',
  'Table',
  'FwMark',
  'ListenPort',
  'SaveConfig',
  ...scriptKeys,
] as const;
export type InterfaceKey = (typeof interfaceKeys)[number];

export const peerKeys = [
  'PublicKey',
  'PresharedKey',
  'AllowedIPs',
  'Endpoint',
  'PersistentKeepalive',
] as const;
export type PeerKey = (typeof peerKeys)[number];

/** Keys that may stand several times and then add up. */
export const repeatableKeys: ReadonlySet<string> = new Set<InterfaceKey | PeerKey>([
  'Address',
  'DNS',
  'AllowedIPs',
  ...scriptKeys,
]);
