import type { ExtensionManifest } from '@sallyport/shared/manifest/manifest.ts';
import { negotiate, protocolVersions, type VersionRange } from '@sallyport/shared/protocol/version.ts';
import type { ConfigurationStore } from '../configurations/configuration-store.ts';
import type { ProviderRegistry } from '../host/provider-registry.ts';
import { describeRegistration } from '../host/provider-registry.ts';
import type { IdentityImporter } from '../keychain/import-identity.ts';
import { isAtLeast, type Logger } from '../log/logger.ts';
import type { SessionManager } from '../sessions/session-manager.ts';
import { Access } from './access.ts';
import { configurationHandlers } from './configuration-handlers.ts';
import type { MethodHandlers } from './dispatch.ts';
import type { EndpointServer } from './endpoint-server.ts';
import { sessionHandlers } from './session-handlers.ts';
import type { Subscriptions } from './subscriptions.ts';
import { isVisible, visibleSession } from './visibility.ts';

export interface HandlerOptions {
  readonly manifest: ExtensionManifest;
  readonly developerMode: boolean;
  /** Where the extension lies. */
  readonly url: string;
  readonly startedAt: number;
  readonly registry: ProviderRegistry;
  readonly configurations: ConfigurationStore;
  readonly identities: IdentityImporter;
  readonly sessions: SessionManager;
  readonly subscriptions: Subscriptions;
  readonly logger: Logger;
  readonly server: () => EndpointServer;
  /** Log followers by connection; ended when the connection ends. */
  readonly followers: Map<number, () => void>;
  /** What this helper speaks; this build's range unless told. */
  readonly protocol?: VersionRange;
}

/** Every method of the endpoint. */
export function makeHandlers(options: HandlerOptions): MethodHandlers {
  const { manifest, registry, configurations, sessions, subscriptions, logger } = options;
  const access = new Access(configurations);
  return {
    ...configurationHandlers({
      access,
      configurations,
      sessions,
      subscriptions,
      viewer: (connection) => options.server().viewer(connection),
    }),
    ...sessionHandlers(access, sessions),

    hello: ({ protocol }, caller) => ({
      protocol: negotiate(protocol, options.protocol ?? protocolVersions),
      role: caller.role,
      extension: { identifier: manifest.identifier, version: manifest.version, build: manifest.build },
      developerMode: options.developerMode,
      pid: process.pid,
    }),

    'extension.list': () => {
      const registrations = registry.registrations();
      for (const registration of registrations)
        logger.log('info', 'host', describeRegistration(registration));
      return {
        extensions: [
          {
            bundleIdentifier: manifest.identifier,
            bundleVersion: manifest.build,
            bundleShortVersion: manifest.version,
            url: options.url,
            isEnabled: true,
            isAwaitingUserApproval: false,
            isUninstalling: false,
            developerMode: options.developerMode,
            pid: process.pid,
            startedAt: options.startedAt,
            registrations,
          },
        ],
      };
    },

    'events.subscribe': (_request, caller) => ({
      sequence: subscriptions.subscribe(caller.connection),
      configurations: configurations.list().filter((one) => isVisible(one, caller)),
      sessions: sessions
        .snapshots()
        .map((one) => visibleSession(one, configurations.get(one.configurationId), caller)),
    }),

    'keychain.importIdentity': ({ data, password }, caller) =>
      options.identities.import(Buffer.from(data, 'base64'), password, caller.uid),

    'log.read': ({ limit, level, follow }, caller) => {
      const entries = logger.recent(limit, level);
      if (follow) {
        options.followers.get(caller.connection)?.();
        options.followers.set(
          caller.connection,
          logger.follow((entry) => {
            if (isAtLeast(entry.level, level)) options.server().notify(caller.connection, 'log.entry', entry);
          }),
        );
      }
      return { entries };
    },
  };
}
