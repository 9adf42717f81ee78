import type { Configuration } from '@sallyport/shared/protocol/configuration.ts';
import type { SessionObserver } from '../sessions/session-manager.ts';
import type { Subscriptions } from './subscriptions.ts';
import { isVisible, visibleSession, type Viewer } from './visibility.ts';

export interface SessionObserverOptions {
  readonly subscriptions: Subscriptions;
  readonly configuration: (id: string) => Configuration | null;
  /** Who is at the other end of a connection; null once it is gone. */
  readonly viewer: (connection: number) => Viewer | null;
}

/** Tells every subscribed client what becomes of the sessions, as far as it may see them. */
export function sessionObserver(options: SessionObserverOptions): SessionObserver {
  const { subscriptions, configuration, viewer } = options;
  const isTold = (id: string, connection: number): boolean => {
    const stored = configuration(id);
    const who = viewer(connection);
    return stored !== null && who !== null && isVisible(stored, who);
  };
  return {
    sessionChanged: (session) => {
      const stored = configuration(session.configurationId);
      subscriptions.publish('sessions.changed', (sequence, connection) => {
        const who = viewer(connection);
        return who === null ? null : { sequence, session: visibleSession(session, stored, who) };
      });
    },
    providerMessage: (id, message) => {
      const text = Buffer.from(message).toString('base64');
      subscriptions.publish('session.providerMessage', (sequence, connection) =>
        isTold(id, connection) ? { sequence, id, message: text } : null,
      );
    },
    displayMessage: (id, text) =>
      subscriptions.publish('session.displayMessage', (sequence, connection) =>
        isTold(id, connection) ? { sequence, id, text } : null,
      ) > 0,
  };
}
