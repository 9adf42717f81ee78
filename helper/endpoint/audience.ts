import type { Configuration } from '@sallyport/shared/protocol/configuration.ts';
import type { MethodResult } from '@sallyport/shared/protocol/methods.ts';
import type { SessionSnapshot } from '@sallyport/shared/protocol/session.ts';
import type { ConfigurationStore } from '../configurations/configuration-store.ts';
import type { SessionObserver } from '../sessions/session-manager.ts';
import { Subscriptions, type Send } from './subscriptions.ts';
import { isVisible, sessionForm, sessionIn, type SessionForm, type Viewer } from './visibility.ts';

export interface AudienceOptions {
  readonly send: Send;
  readonly configurations: Pick<ConfigurationStore, 'get' | 'list'>;
  readonly sessions: () => readonly SessionSnapshot[];
  /** For whom a connection's notifications are; null once it is gone. */
  readonly viewer: (connection: number) => Viewer | null;
}

/** What a client has been shown, and not been told the end of. */
interface Shown {
  readonly configurations: Set<string>;
  readonly sessions: Map<string, Exclude<SessionForm, null>>;
}

/**
 * Tells each subscribed client what becomes of the configurations and sessions, as far as it may see them.
 *
 * Whoever was shown something is told when it goes; whoever was not never learns its id.
 */
export class Audience implements SessionObserver {
  readonly #options: AudienceOptions;
  readonly #subscriptions: Subscriptions;
  readonly #shown = new Map<number, Shown>();

  constructor(options: AudienceOptions) {
    this.#options = options;
    this.#subscriptions = new Subscriptions(options.send);
  }

  /** @returns what the client may see now; each later change follows as a notification */
  subscribe(connection: number): MethodResult<'events.subscribe'> {
    const { configurations, sessions, viewer } = this.#options;
    const who = viewer(connection);
    if (who === null) return { sequence: 0, configurations: [], sessions: [] };
    const visible = configurations.list().filter((one) => isVisible(one, who));
    const shown: Shown = { configurations: new Set(visible.map(({ id }) => id)), sessions: new Map() };
    const snapshots: SessionSnapshot[] = [];
    for (const session of sessions()) {
      const form = this.#form(session, who);
      if (form === null) continue;
      shown.sessions.set(session.configurationId, form);
      snapshots.push(sessionIn(form, session));
    }
    this.#shown.set(connection, shown);
    const sequence = this.#subscriptions.subscribe(connection);
    return { sequence, configurations: visible, sessions: snapshots };
  }

  unsubscribe(connection: number): void {
    this.#shown.delete(connection);
    this.#subscriptions.unsubscribe(connection);
  }

  /** What a client may see became more or less: tells it what it did not know, and takes back what it may not know. */
  refresh(connection: number): void {
    const shown = this.#shown.get(connection);
    const who = this.#options.viewer(connection);
    if (shown === undefined || who === null) return;
    for (const id of [...shown.configurations]) this.#tellConfiguration(connection, shown, who, id);
    for (const { id } of this.#options.configurations.list()) {
      if (!shown.configurations.has(id)) this.#tellConfiguration(connection, shown, who, id);
    }
    for (const session of this.#options.sessions()) this.#tellSession(connection, shown, who, session);
  }

  /** A configuration was created, replaced or removed, and the store knows. */
  configurationChanged(id: string): void {
    const session = this.#options.sessions().find(({ configurationId }) => configurationId === id);
    this.#each((connection, shown, who) => {
      this.#tellConfiguration(connection, shown, who, id);
      if (session === undefined) return;
      // What is seen of the session may have changed with the scope.
      const isSame = (shown.sessions.get(id) ?? null) === this.#form(session, who);
      if (!isSame) this.#tellSession(connection, shown, who, session);
    });
  }

  sessionChanged(session: SessionSnapshot): void {
    this.#each((connection, shown, who) => {
      this.#tellSession(connection, shown, who, session);
    });
  }

  providerMessage(id: string, message: Uint8Array): void {
    const text = Buffer.from(message).toString('base64');
    this.#each((connection, _shown, who) => {
      if (!this.#mayUse(id, who)) return;
      this.#subscriptions.publish(connection, 'session.providerMessage', (sequence) => ({
        sequence,
        id,
        message: text,
      }));
    });
  }

  displayMessage(id: string, text: string): boolean {
    let isShown = false;
    this.#each((connection, _shown, who) => {
      if (!this.#mayUse(id, who)) return;
      isShown = true;
      this.#subscriptions.publish(connection, 'session.displayMessage', (sequence) => ({
        sequence,
        id,
        text,
      }));
    });
    return isShown;
  }

  #each(tell: (connection: number, shown: Shown, who: Viewer) => void): void {
    for (const [connection, shown] of this.#shown) {
      const who = this.#options.viewer(connection);
      if (who !== null) tell(connection, shown, who);
    }
  }

  #tellConfiguration(connection: number, shown: Shown, who: Viewer, id: string): void {
    const stored = this.#options.configurations.get(id);
    const publish = (configuration: Configuration | null): void => {
      this.#subscriptions.publish(connection, 'configurations.changed', (sequence) => ({
        sequence,
        id,
        configuration,
      }));
    };
    if (stored !== null && isVisible(stored, who)) {
      shown.configurations.add(id);
      publish(stored);
      return;
    }
    const wasShown = shown.configurations.delete(id);
    // Of one that was removed whoever saw a session learns that it is no more.
    if (!wasShown && (stored !== null || !shown.sessions.has(id))) return;
    // A client forgets the session as well; if it may still see it, it is told anew.
    shown.sessions.delete(id);
    publish(null);
  }

  #tellSession(connection: number, shown: Shown, who: Viewer, session: SessionSnapshot): void {
    const { configurationId: id } = session;
    const form = this.#form(session, who);
    const wasShown = shown.sessions.delete(id);
    if (form !== null) shown.sessions.set(id, form);
    else if (!wasShown) return;
    this.#subscriptions.publish(connection, 'sessions.changed', (sequence) => ({
      sequence,
      session: sessionIn(form, session),
    }));
  }

  #form(session: SessionSnapshot, who: Viewer): SessionForm {
    return sessionForm(session, this.#options.configurations.get(session.configurationId), who);
  }

  #mayUse(id: string, who: Viewer): boolean {
    const stored = this.#options.configurations.get(id);
    return stored !== null && isVisible(stored, who);
  }
}
