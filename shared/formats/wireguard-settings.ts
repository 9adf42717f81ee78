import * as z from 'zod';
import { cidrSchema, ipAddressSchema, networkSchema } from './cidr.ts';
import { parseDomainName } from './domain-name.ts';
import {
  maximumAddresses,
  maximumAllowedIPs,
  maximumDNSServers,
  maximumPeers,
  maximumSearchDomains,
  type WireGuardConf,
} from './wireguard-conf/conf.ts';
import { formatEndpoint } from './wireguard-conf/format.ts';
import { readKeyMaterial, ValueError } from './wireguard-conf/values.ts';

/** Where a key lies in the helper's store. UUID version 4. */
const secretSchema = z.strictObject({ secretReference: z.uuidv4() });

const publicKeySchema = z.string().superRefine((value, context) => {
  try {
    readKeyMaterial('publicKey', value);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
  }
});

const domainNameSchema = z
  .string()
  .refine(
    (name) => parseDomainName(name) === name,
    'must be a DNS name in lower case without a dot at its end',
  );

const portSchema = z.int().min(1).max(65_535);
const uint32Schema = z.int().min(1).max(0xffff_ffff);

const endpointSchema = z.strictObject({
  /** A DNS name or an IP address, IPv6 without brackets. */
  host: z.union([ipAddressSchema, domainNameSchema]),
  port: portSchema,
});

const peerSchema = z.strictObject({
  publicKey: publicKeySchema,
  presharedKey: secretSchema.nullable().default(null),
  allowedIPs: z.array(networkSchema).max(maximumAllowedIPs),
  /** Null for a peer that calls us. */
  endpoint: endpointSchema.nullable().default(null),
  /** Seconds; null is off. */
  persistentKeepalive: portSchema.nullable().default(null),
});

/**
 * What a WireGuard tunnel stores as `providerConfiguration`: a {@link WireGuardConf} with references in place of
 * its secrets.
 */
export const wireGuardProviderConfigurationSchema = z
  .strictObject({
    privateKey: secretSchema,
    /** With prefix length and host bits. */
    addresses: z.array(cidrSchema).max(maximumAddresses).default([]),
    dns: z
      .strictObject({
        servers: z.array(ipAddressSchema).max(maximumDNSServers),
        searchDomains: z.array(domainNameSchema).max(maximumSearchDomains),
      })
      .default({ servers: [], searchDomains: [] }),
    mtu: z.int().min(576).max(65_535).nullable().default(null),
    table: z.union([z.literal('auto'), z.literal('off'), uint32Schema]).default('auto'),
    fwmark: uint32Schema.nullable().default(null),
    listenPort: portSchema.nullable().default(null),
    peers: z.array(peerSchema).min(1).max(maximumPeers),
    /** An IPv4-only full tunnel blocks IPv6, and the other way round, so that nothing goes around it. */
    blockOtherFamily: z.boolean().default(true),
  })
  .superRefine(({ peers }, context) => {
    const refuse = (message: string): void => {
      context.addIssue({ code: 'custom', message, path: ['peers'] });
    };
    const networks = peers.flatMap(({ allowedIPs }) => allowedIPs);
    if (networks.length > maximumAllowedIPs) {
      refuse(`has more than ${String(maximumAllowedIPs)} allowed networks`);
    }
    if (new Set(networks).size < networks.length) refuse('gives one network to two peers');
    if (new Set(peers.map(({ publicKey }) => publicKey)).size < peers.length) refuse('has one peer twice');
  });
export type WireGuardProviderConfiguration = z.output<typeof wireGuardProviderConfigurationSchema>;

/** Checks a stored `providerConfiguration` and fills in its defaults. Never throws. */
export function parseWireGuardProviderConfiguration(
  value: unknown,
): z.ZodSafeParseResult<WireGuardProviderConfiguration> {
  return wireGuardProviderConfigurationSchema.safeParse(value);
}

/** What may be shown of a tunnel to anyone who may see it. */
export interface WireGuardSummary {
  /** The first server, `vpn.example.com:51820`, for `serverAddress`; null when all peers call us. */
  readonly serverAddress: string | null;
  readonly addresses: readonly string[];
  readonly dnsServers: readonly string[];
  /** In the order of the file. */
  readonly publicKeys: readonly string[];
  /** The families of which everything goes through the tunnel. */
  readonly fullTunnel: { readonly ipv4: boolean; readonly ipv6: boolean };
}

export interface SplitConfiguration {
  readonly providerConfiguration: WireGuardProviderConfiguration;
  /** Base64 of 32 bytes by reference. **Secret.** */
  readonly secrets: Readonly<Record<string, string>>;
  /** The references in `secrets`, for `ConfigurationDraft.secretReferences`. */
  readonly secretReferences: readonly string[];
  readonly publicSummary: WireGuardSummary;
}

/**
 * Parts a configuration from its secrets.
 *
 * @param newReference - Makes a fresh UUID of version 4 at each call, such as `crypto.randomUUID`.
 * @throws Error when `newReference` repeats itself or gives something else.
 */
export function wireGuardConfiguration(
  conf: WireGuardConf,
  newReference: () => string,
  options: { readonly blockOtherFamily?: boolean } = {},
): SplitConfiguration {
  const secrets = new Map<string, string>();
  const store = (secret: string): { secretReference: string } => {
    const secretReference = newReference();
    if (secrets.has(secretReference)) throw new Error('Two secrets were given one reference.');
    secrets.set(secretReference, secret);
    return { secretReference };
  };
  const { privateKey, ...own } = conf.interface;
  const providerConfiguration = wireGuardProviderConfigurationSchema.parse({
    ...own,
    privateKey: store(privateKey),
    peers: conf.peers.map(({ presharedKey, ...peer }) => ({
      ...peer,
      presharedKey: presharedKey === null ? null : store(presharedKey),
    })),
    blockOtherFamily: options.blockOtherFamily ?? true,
  });
  return {
    providerConfiguration,
    secrets: Object.fromEntries(secrets),
    secretReferences: [...secrets.keys()],
    publicSummary: summary(conf),
  };
}

function summary(conf: WireGuardConf): WireGuardSummary {
  const endpoint = conf.peers.map((peer) => peer.endpoint).find((one) => one !== null) ?? null;
  const networks = new Set(conf.peers.flatMap(({ allowedIPs }) => allowedIPs));
  const isRouted = conf.interface.table === 'auto';
  // Two halves are a usual spelling of everything, since they beat a default route without replacing it.
  const holdsAll = (all: string, ...halves: readonly string[]): boolean =>
    isRouted && (networks.has(all) || halves.every((half) => networks.has(half)));
  return {
    serverAddress: endpoint === null ? null : formatEndpoint(endpoint),
    addresses: conf.interface.addresses,
    dnsServers: conf.interface.dns.servers,
    publicKeys: conf.peers.map(({ publicKey }) => publicKey),
    fullTunnel: {
      ipv4: holdsAll('0.0.0.0/0', '0.0.0.0/1', '128.0.0.0/1'),
      ipv6: holdsAll('::/0', '::/1', '8000::/1'),
    },
  };
}
