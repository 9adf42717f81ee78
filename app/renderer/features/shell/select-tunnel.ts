import type { Tunnel } from '../../../bridge/state.ts';

/** The tunnel to show: the chosen one, else one that is up, else the first; null when there is none. */
export function selectTunnel(tunnels: readonly Tunnel[], chosenId: string | null): Tunnel | null {
  return (
    tunnels.find((tunnel) => tunnel.id === chosenId) ??
    tunnels.find((tunnel) => tunnel.session?.status === 'connected') ??
    tunnels[0] ??
    null
  );
}
