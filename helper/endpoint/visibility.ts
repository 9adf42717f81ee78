import { includesRole, type Role } from '@sallyport/shared/protocol/authorization.ts';
import type { Configuration } from '@sallyport/shared/protocol/configuration.ts';
import type { SessionSnapshot } from '@sallyport/shared/protocol/session.ts';

/** For whom something is shown. */
export interface Viewer {
  readonly uid: number;
  readonly role: Role;
}

/** What decides who may see a configuration. */
export type Visibility = Pick<Configuration, 'scope' | 'owner'>;

/**
 * Whether a configuration exists for somebody: for whom it does not, every method answers as if there were none.
 *
 * One of the system is there for everybody who may use tunnels, a user's for its owner and for administrators.
 */
export function isVisible({ scope, owner }: Visibility, viewer: Viewer): boolean {
  if (!includesRole(viewer.role, 'container')) return false;
  return scope === 'system' || owner === viewer.uid || viewer.role === 'administrator';
}

/**
 * A session as somebody may see it.
 *
 * Whoever may not use its configuration sees that there is a session, and through which interface it takes traffic,
 * since that concerns everybody on the computer; what it says about itself may name servers and people.
 */
export function visibleSession(
  snapshot: SessionSnapshot,
  configuration: Visibility | null,
  viewer: Viewer,
): SessionSnapshot {
  if (configuration !== null && isVisible(configuration, viewer)) return snapshot;
  const { configurationId, status, virtualInterface } = snapshot;
  return {
    configurationId,
    status,
    virtualInterface,
    connectedDate: null,
    statusReason: null,
    nextAttemptDate: null,
    instance: 0,
    lastEnd: null,
  };
}
