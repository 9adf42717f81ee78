import { parseWireGuardProviderConfiguration } from '@sallyport/shared/formats/wireguard-settings.ts';
import { wireGuardProviderIdentifier } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import type { Configuration } from '@sallyport/shared/protocol/configuration.ts';
import type { SessionStatistics } from '@sallyport/shared/protocol/session.ts';
import type { Tunnel } from '../tunnel.ts';
import { formatBytes, formatDuration, formatTime } from './quantity.ts';
import { lastEndText, statusDetail, statusWord, trafficText } from './session-text.ts';
import { visible } from './visible.ts';

/** Most networks of a peer that are listed; a file may have thousands. */
const shownNetworks = 8;

/** Label and value of everything there is to say about a tunnel, in the order in which to say it. */
export function describeTunnel(
  { configuration, session }: Tunnel,
  statistics: SessionStatistics | null,
  now: number,
): (readonly [label: string, value: string])[] {
  const detail = statusDetail(session, now);
  const status = statusWord(session, configuration.isEnabled);
  const connectedDate = session?.connectedDate ?? null;
  const lastEnd = lastEndText(session);
  return [
    ['Name', visible(configuration.name)],
    ['Status', detail === '' ? status : `${status} (${detail})`],
    ...row('Connected since', connectedDate === null ? null : formatTime(connectedDate)),
    ...row('Server', configuration.protocolConfiguration.serverAddress),
    ...row('Interface', session?.virtualInterface?.name ?? null),
    ...row('Traffic', statistics === null ? null : trafficText(statistics)),
    ...describeSettings(configuration),
    ...(statistics?.peers ?? []).flatMap((peer) => describePeer(peer, now)),
    ...row('Last run ended', lastEnd),
    ['For', configuration.scope === 'system' ? 'everybody' : `uid ${String(configuration.owner)} alone`],
    ['Retries', configuration.retry ? 'yes' : 'no'],
    ['Provider', visible(configuration.protocolConfiguration.providerBundleIdentifier)],
    ['Id', configuration.id],
    ['Revision', `${String(configuration.revision)}, saved ${formatTime(configuration.modifiedAt)}`],
  ];
}

function describeSettings(configuration: Configuration): (readonly [string, string])[] {
  const { providerBundleIdentifier, providerConfiguration } = configuration.protocolConfiguration;
  if (providerBundleIdentifier !== wireGuardProviderIdentifier) return [];
  const parsed = parseWireGuardProviderConfiguration(providerConfiguration);
  if (!parsed.success) return [];
  const { addresses, dns, mtu, peers } = parsed.data;
  return [
    ...row('Addresses', addresses.join(', ')),
    ...row('DNS', [...dns.servers, ...dns.searchDomains].join(', ')),
    ...row('MTU', mtu === null ? null : String(mtu)),
    ...peers.flatMap(({ publicKey, allowedIPs }): (readonly [string, string])[] => {
      const more = allowedIPs.length - shownNetworks;
      const networks = allowedIPs.slice(0, shownNetworks).join(', ');
      return [
        ['Peer', publicKey],
        ['  Routes', networks === '' ? 'none' : `${networks}${more > 0 ? ` and ${String(more)} more` : ''}`],
      ];
    }),
  ];
}

function describePeer(peer: SessionStatistics['peers'][number], now: number): (readonly [string, string])[] {
  const { latestHandshake, endpoint, receivedBytes, sentBytes } = peer;
  const handshake = latestHandshake === null ? 'none yet' : `${formatDuration(now - latestHandshake)} ago`;
  return [
    ['Live peer', visible(peer.publicKey)],
    ...row('  Endpoint', endpoint),
    ['  Handshake', handshake],
    ['  Traffic', `${formatBytes(receivedBytes)} received, ${formatBytes(sentBytes)} sent`],
  ];
}

function row(label: string, value: string | null): (readonly [string, string])[] {
  return value === null || value === '' ? [] : [[label, visible(value)]];
}
