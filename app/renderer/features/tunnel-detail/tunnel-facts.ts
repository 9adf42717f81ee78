import type { SessionStatistics } from '@sallyport/shared/protocol/session.ts';
import type { Tunnel } from '../../../bridge/state.ts';
import { formatAgo } from '../../format/time.ts';

export interface TunnelFact {
  readonly label: string;
  readonly value: string;
}

/** What is worth knowing about a tunnel, most wanted first; what is not known is left out. */
export function tunnelFacts(tunnel: Tunnel, statistics: SessionStatistics | null, now: number): TunnelFact[] {
  const { details, session } = tunnel;
  const running = session?.status === 'connected' || session?.status === 'reasserting';
  const facts: (TunnelFact | null)[] = [
    fact('Endpoint', endpoints(statistics) ?? tunnel.serverAddress),
    running ? fact('Latest handshake', latestHandshake(statistics, now)) : null,
    details === null ? null : fact('Addresses', list(details.addresses)),
    details === null ? null : fact('Routes', routes(details.routes)),
    details === null ? null : fact('DNS', list(details.dnsServers)),
    running ? fact('Interface', session.virtualInterface?.name ?? null) : null,
  ];
  return facts.filter((each) => each !== null);
}

function fact(label: string, value: string | null): TunnelFact | null {
  return value === null ? null : { label, value };
}

function endpoints(statistics: SessionStatistics | null): string | null {
  return list(statistics?.peers.flatMap((peer) => peer.endpoint ?? []) ?? []);
}

function latestHandshake(statistics: SessionStatistics | null, now: number): string | null {
  if (statistics === null) return null;
  const times = statistics.peers.flatMap((peer) => peer.latestHandshake ?? []);
  return times.length === 0 ? 'none yet' : formatAgo(Math.max(...times), now);
}

function routes(destinations: readonly string[]): string | null {
  const v4 = destinations.includes('0.0.0.0/0');
  const v6 = destinations.includes('::/0');
  if (v4 && v6) return 'All traffic';
  if (v4) return 'All IPv4 traffic';
  if (v6) return 'All IPv6 traffic';
  return list(destinations);
}

const mostListed = 6;

function list(values: readonly string[]): string | null {
  if (values.length === 0) return null;
  const rest = values.length - mostListed;
  const shown = values.slice(0, mostListed).join(', ');
  return rest > 0 ? `${shown} and ${String(rest)} more` : shown;
}
