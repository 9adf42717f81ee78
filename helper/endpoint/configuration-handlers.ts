import type { Configuration } from '@sallyport/shared/protocol/configuration.ts';
import type { SessionSnapshot } from '@sallyport/shared/protocol/session.ts';
import type { ConfigurationStore } from '../configurations/configuration-store.ts';
import type { SessionManager } from '../sessions/session-manager.ts';
import type { Access } from './access.ts';
import type { MethodHandlers } from './dispatch.ts';
import type { Subscriptions } from './subscriptions.ts';
import { isVisible, visibleSession, type Viewer } from './visibility.ts';

export interface ConfigurationHandlerOptions {
  readonly access: Access;
  readonly configurations: ConfigurationStore;
  readonly sessions: SessionManager;
  readonly subscriptions: Subscriptions;
  readonly viewer: (connection: number) => Viewer | null;
}

type ConfigurationMethods =
  'configurations.list' | 'configurations.load' | 'configurations.save' | 'configurations.remove';

/** The methods that read and change configurations. */
export function configurationHandlers(
  options: ConfigurationHandlerOptions,
): Pick<MethodHandlers, ConfigurationMethods> {
  const { access, configurations, sessions, subscriptions } = options;
  return {
    'configurations.list': async (_request, caller) => {
      const viewer = await access.viewer(caller);
      return { configurations: configurations.list().filter((one) => isVisible(one, viewer)) };
    },

    'configurations.load': async ({ id }, caller) => ({
      configuration: await access.configuration(id, caller),
    }),

    'configurations.save': async ({ configuration: draft, expectedRevision, secrets }, caller) => {
      const bytes = new Map<string, Uint8Array>();
      for (const [reference, secret] of Object.entries(secrets)) {
        bytes.set(reference, Buffer.from(secret, 'base64'));
      }
      try {
        const before = configurations.get(draft.id);
        const configuration = await configurations.save({
          draft,
          expectedRevision,
          secrets: bytes,
          owner: caller.uid,
        });
        sessions.configurationSaved(configuration);
        publishSaved(options, before, configuration);
        return { configuration };
      } finally {
        for (const secret of bytes.values()) secret.fill(0);
      }
    },

    'configurations.remove': async ({ id }) => {
      try {
        await configurations.remove(id, () => sessions.configurationRemoved(id));
      } catch (error) {
        // The session went before the file; a file that stayed has its session again.
        const kept = configurations.get(id);
        if (kept !== null) sessions.configurationSaved(kept);
        throw error;
      }
      // To everybody: whoever saw no configuration under this id saw that it had a session.
      subscriptions.publish('configurations.changed', (sequence) => ({ sequence, id, configuration: null }));
      return {};
    },
  };
}

/** Tells each client what the save means to it; for whom the configuration has gone, it was removed. */
function publishSaved(
  { subscriptions, sessions, viewer }: ConfigurationHandlerOptions,
  before: Configuration | null,
  configuration: Configuration,
): void {
  const { id } = configuration;
  subscriptions.publish('configurations.changed', (sequence, connection) => {
    const who = viewer(connection);
    if (who === null) return null;
    if (isVisible(configuration, who)) return { sequence, id, configuration };
    const wasVisible = before !== null && isVisible(before, who);
    return wasVisible ? { sequence, id, configuration: null } : null;
  });
  if (before === null || before.scope === configuration.scope) return;
  const session = sessions.snapshots().find((one: SessionSnapshot) => one.configurationId === id);
  if (session === undefined) return;
  // What is seen of the session changed with the scope.
  subscriptions.publish('sessions.changed', (sequence, connection) => {
    const who = viewer(connection);
    return who === null ? null : { sequence, session: visibleSession(session, configuration, who) };
  });
}
