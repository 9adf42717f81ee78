import type { PacketTunnelNetworkSettings, Route } from '@sallyport/shared/provider/network-settings.ts';
import type { WireGuardSettings } from '@sallyport/shared/provider/wireguard.ts';
import type { WireGuardProviderConfiguration } from '@sallyport/shared/formats/wireguard-settings.ts';
import { ipAddressSchema, parseCIDR } from '@sallyport/shared/formats/cidr.ts';

/** What WireGuard adds to each packet: 40 bytes IPv6, 8 UDP, 32 header and tag (paper, 5.4.6). */
export const wireGuardOverheadBytes = 80;

/** Destinations that a configuration sends into the tunnel. */
function destinations(configuration: WireGuardProviderConfiguration): string[] {
  return [...new Set(configuration.peers.flatMap((peer) => peer.allowedIPs))];
}

/** Interface, routes and DNS of a configuration, with wg-quick's meaning of each key. */
export function networkSettings(configuration: WireGuardProviderConfiguration): PacketTunnelNetworkSettings {
  const routes = destinations(configuration);
  const { dns, mtu, table, fwmark, blockOtherFamily } = configuration;
  return {
    tunnelRemoteAddress: onlyServer(configuration),
    ipv4: ofFamily(4, configuration.addresses, routes),
    ipv6: ofFamily(6, configuration.addresses, routes),
    dns:
      dns.servers.length === 0
        ? null
        : { servers: dns.servers, searchDomains: dns.searchDomains, matchDomains: [''] },
    mtu,
    tunnelOverheadBytes: wireGuardOverheadBytes,
    routing: { table, fwmark, blockOtherFamily },
  };
}

/** The server's address, if there is one server and it is given by address: its packets must not enter the tunnel. */
function onlyServer({ peers }: WireGuardProviderConfiguration): string | null {
  const [peer, ...others] = peers;
  if (others.length > 0) return null;
  return ipAddressSchema.safeParse(peer?.endpoint?.host).data ?? null;
}

/** @param endpoints address to use now by public key; a peer without one waits to be called */
export function deviceSettings(
  configuration: WireGuardProviderConfiguration,
  endpoints: ReadonlyMap<string, string>,
): WireGuardSettings {
  return {
    privateKeyReference: configuration.privateKey.secretReference,
    listenPort: configuration.listenPort,
    fwmark: configuration.fwmark,
    peers: configuration.peers.map((peer) => ({
      publicKey: peer.publicKey,
      presharedKeyReference: peer.presharedKey?.secretReference ?? null,
      allowedIPs: peer.allowedIPs,
      endpoint: endpoints.get(peer.publicKey) ?? null,
      persistentKeepalive: peer.persistentKeepalive,
    })),
  };
}

function ofFamily(
  family: 4 | 6,
  addresses: readonly string[],
  routes: readonly string[],
): { addresses: string[]; includedRoutes: Route[] } | null {
  const isOfFamily = (cidr: string): boolean => parseCIDR(cidr).family === family;
  const own = addresses.filter(isOfFamily);
  const included = routes.filter(isOfFamily);
  if (own.length === 0 && included.length === 0) return null;
  return {
    addresses: own,
    includedRoutes: included.map((destination) => ({ destination, gateway: null })),
  };
}
