import type { SessionObserver } from '../sessions/session-manager.ts';
import type { Subscriptions } from './subscriptions.ts';

/**
 * Tells every subscribed client what becomes of the sessions.
 *
 * @param isTold whether a connection's role may see what providers say
 */
export function sessionObserver(
  subscriptions: Subscriptions,
  isTold: (connection: number) => boolean,
): SessionObserver {
  return {
    sessionChanged: (session) => {
      subscriptions.publish('sessions.changed', (sequence) => ({ sequence, session }));
    },
    providerMessage: (id, message) => {
      subscriptions.publish(
        'session.providerMessage',
        (sequence) => ({ sequence, id, message: Buffer.from(message).toString('base64') }),
        isTold,
      );
    },
    displayMessage: (id, text) =>
      subscriptions.publish('session.displayMessage', (sequence) => ({ sequence, id, text }), isTold) > 0,
  };
}
