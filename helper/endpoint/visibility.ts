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
 * What notifications to somebody go by who is not always allowed everything.
 *
 * Administrators see others' configurations in the answers to their calls alone, for which the authority is asked at
 * that moment; a notification comes long after.
 */
export function notificationRole(role: Role): Role {
  return includesRole(role, 'container') ? 'container' : 'observer';
}

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
 * How much of a session somebody is shown; null is nothing, as if there were none.
 *
 * A session that runs takes traffic, which concerns everybody on the computer, so everybody sees that there is one.
 * One that is idle is shown to nobody who could not use its configuration, whatever polkit says just now: its id would
 * tell that there is such a configuration.
 */
export type SessionForm = 'whole' | 'part' | null;

export function sessionForm(
  { status }: SessionSnapshot,
  configuration: Visibility | null,
  viewer: Viewer,
): SessionForm {
  if (configuration !== null && isVisible(configuration, viewer)) return 'whole';
  if (status !== 'disconnected' && status !== 'invalid') return 'part';
  return configuration !== null && isVisible(configuration, { uid: viewer.uid, role: 'container' })
    ? 'part'
    : null;
}

/**
 * A session as somebody may see it in a form; in none, as the last that is seen of it: it has ended.
 *
 * A part is that there is a session, and through which interface it takes traffic; what it says about itself may name
 * servers and people.
 */
export function sessionIn(form: SessionForm, snapshot: SessionSnapshot): SessionSnapshot {
  if (form === 'whole') return snapshot;
  const { configurationId, status, virtualInterface } = snapshot;
  return {
    configurationId,
    status: form === null ? 'disconnected' : status,
    virtualInterface: form === null ? null : virtualInterface,
    connectedDate: null,
    statusReason: null,
    nextAttemptDate: null,
    instance: 0,
    lastEnd: null,
  };
}
