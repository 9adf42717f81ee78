import { parseWireGuardProviderConfiguration } from '@sallyport/shared/formats/wireguard-settings.ts';
import { wireGuardProviderIdentifier } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import type { Configuration } from '@sallyport/shared/protocol/configuration.ts';
import type { TunnelDetails } from '../bridge/state.ts';

/** Reads what may be shown out of a WireGuard tunnel's dictionary; null for other providers' dictionaries. */
export function describeConfiguration(configuration: Configuration): TunnelDetails | null {
  const { providerBundleIdentifier, providerConfiguration } = configuration.protocolConfiguration;
  if (providerBundleIdentifier !== wireGuardProviderIdentifier) return null;
  const parsed = parseWireGuardProviderConfiguration(providerConfiguration);
  if (!parsed.success) return null;
  const { addresses, dns, table, peers } = parsed.data;
  return {
    addresses,
    dnsServers: dns.servers,
    // Without a table of its own the tunnel sets no routes, whatever its peers allow.
    routes: table === 'off' ? [] : peers.flatMap((peer) => peer.allowedIPs),
  };
}
