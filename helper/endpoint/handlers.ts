import { isDeepStrictEqual } from 'node:util';
import type { ExtensionManifest } from '@sallyport/shared/manifest/manifest.ts';
import { negotiate, protocolVersions, type VersionRange } from '@sallyport/shared/protocol/version.ts';
import type { ConfigurationStore } from '../configurations/configuration-store.ts';
import type { ProviderRegistry } from '../host/provider-registry.ts';
import { describeRegistration } from '../host/provider-registry.ts';
import type { IdentityImporter } from '../keychain/import-identity.ts';
import { isAtLeast, type Logger } from '../log/logger.ts';
import type { SessionManager } from '../sessions/session-manager.ts';
import { Access } from './access.ts';
import type { Audience } from './audience.ts';
import { configurationHandlers } from './configuration-handlers.ts';
import type { MethodHandlers } from './dispatch.ts';
import type { EndpointServer } from './endpoint-server.ts';
import { sessionHandlers } from './session-handlers.ts';

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
  readonly audience: Audience;
  readonly logger: Logger;
  readonly server: () => EndpointServer;
  /** Log followers by connection; ended when the connection ends. */
  readonly followers: Map<number, () => void>;
  /** What this helper speaks; this build's range unless told. */
  readonly protocol?: VersionRange;
}

/** Every method of the endpoint. */
export function makeHandlers(options: HandlerOptions): MethodHandlers {
  const { manifest, registry, configurations, sessions, audience, logger } = options;
  const access = new Access(configurations);
  let lastRegistrations: readonly string[] = [];
  return {
    ...configurationHandlers({ access, configurations, sessions, audience }),
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
      // Once until it is another: whoever asks again and again must not push everything else out of the log.
      const text = registrations.map(describeRegistration);
      if (!isDeepStrictEqual(text, lastRegistrations))
        for (const line of text) logger.log('info', 'host', line);
      lastRegistrations = text;
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

    'events.subscribe': (_request, caller) => audience.subscribe(caller.connection),

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
