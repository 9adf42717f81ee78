import type { SerializedError } from '@sallyport/shared/protocol/errors.ts';
import type { Tunnel } from '../../../bridge/state.ts';

/** A request of the person that was refused, about one tunnel. */
export interface Refusal {
  readonly id: string;
  readonly error: SerializedError;
}

/** Whether a refusal asks the person to choose between tunnels (contract M3). */
export function isConflict(refusal: Refusal): boolean {
  return refusal.error.domain === 'EndpointError' && refusal.error.code === 'sessionConflict';
}

/**
 * The tunnels that hold the routes another one asks for.
 *
 * The error names them; without names it can be any that is up.
 */
export function conflictingTunnels(refusal: Refusal, tunnels: readonly Tunnel[]): readonly Tunnel[] {
  const named = JSON.stringify(refusal.error.details ?? {});
  const up = tunnels.filter(
    (tunnel) =>
      tunnel.id !== refusal.id &&
      tunnel.session !== null &&
      !['disconnected', 'invalid'].includes(tunnel.session.status),
  );
  const exact = up.filter((tunnel) => named.includes(tunnel.id));
  return exact.length > 0 ? exact : up;
}
