import type { ConfigurationStore } from '../configurations/configuration-store.ts';
import type { SessionManager } from '../sessions/session-manager.ts';
import type { Access } from './access.ts';
import type { Audience } from './audience.ts';
import type { MethodHandlers } from './dispatch.ts';
import { isVisible } from './visibility.ts';

export interface ConfigurationHandlerOptions {
  readonly access: Access;
  readonly configurations: ConfigurationStore;
  readonly sessions: SessionManager;
  readonly audience: Audience;
}

type ConfigurationMethods =
  'configurations.list' | 'configurations.load' | 'configurations.save' | 'configurations.remove';

/** The methods that read and change configurations. */
export function configurationHandlers(
  options: ConfigurationHandlerOptions,
): Pick<MethodHandlers, ConfigurationMethods> {
  const { access, configurations, sessions, audience } = options;
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
        const configuration = await configurations.save({
          draft,
          expectedRevision,
          secrets: bytes,
          owner: caller.uid,
        });
        sessions.configurationSaved(configuration);
        audience.configurationChanged(configuration.id);
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
      audience.configurationChanged(id);
      return {};
    },
  };
}
