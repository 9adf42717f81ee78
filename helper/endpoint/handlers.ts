import { EndpointError, KeychainError } from '@sallyport/shared/protocol/errors.ts';
import type { ExtensionManifest } from '@sallyport/shared/manifest/manifest.ts';
import { oldestProtocolVersion, protocolVersion } from '@sallyport/shared/protocol/version.ts';
import { unknownConfiguration, type ConfigurationStore } from '../configurations/configuration-store.ts';
import type { ProviderRegistry } from '../host/provider-registry.ts';
import { describeRegistration } from '../host/provider-registry.ts';
import { isAtLeast, type Logger } from '../log/logger.ts';
import type { SessionManager } from '../sessions/session-manager.ts';
import type { MethodHandlers } from './dispatch.ts';
import type { EndpointServer } from './endpoint-server.ts';
import type { Subscriptions } from './subscriptions.ts';

export interface HandlerOptions {
  readonly manifest: ExtensionManifest;
  readonly developerMode: boolean;
  /** Where the extension lies. */
  readonly url: string;
  readonly startedAt: number;
  readonly registry: ProviderRegistry;
  readonly configurations: ConfigurationStore;
  readonly sessions: SessionManager;
  readonly subscriptions: Subscriptions;
  readonly logger: Logger;
  readonly server: () => EndpointServer;
  /** Log followers by connection; ended when the connection ends. */
  readonly followers: Map<number, () => void>;
}

/** Every method of the endpoint. */
export function makeHandlers(options: HandlerOptions): MethodHandlers {
  const { manifest, registry, configurations, sessions, subscriptions, logger } = options;
  return {
    hello: ({ protocol }, caller) => ({
      protocol: negotiate(protocol),
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
      configurations: caller.role === 'observer' ? [] : configurations.list(),
      sessions: sessions.snapshots(),
    }),

    'configurations.list': () => ({ configurations: configurations.list() }),

    'configurations.load': ({ id }) => {
      const configuration = configurations.get(id);
      if (configuration === null) throw unknownConfiguration(id);
      return { configuration };
    },

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
        subscriptions.publish(
          'configurations.changed',
          (sequence) => ({ sequence, id: configuration.id, configuration }),
          (connection) => options.server().roleOf(connection) !== 'observer',
        );
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
      subscriptions.publish('configurations.changed', (sequence) => ({ sequence, id, configuration: null }));
      return {};
    },

    'keychain.importIdentity': () => {
      throw new KeychainError('unsupportedAlgorithm', 'Identities cannot be imported yet.');
    },

    'session.start': ({ id, options: startOptions, supersede }) => {
      sessions.start(id, startOptions, supersede);
      return {};
    },

    'session.stop': ({ id }) => {
      sessions.stop(id);
      return {};
    },

    'session.statistics': ({ id }) => ({ statistics: sessions.statistics(id) }),

    'session.lastDisconnectError': ({ id }) => {
      const end = sessions.lastEnd(id);
      return { reason: end?.reason ?? null, error: end?.error ?? null };
    },

    'session.sendProviderMessage': async ({ id, message, timeout }) => {
      const bytes = Buffer.from(message, 'base64');
      const reply = await sessions.sendProviderMessage(id, new Uint8Array(bytes), timeout);
      return { reply: reply === null ? null : Buffer.from(reply).toString('base64') };
    },

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

function negotiate(client: { readonly oldest: number; readonly newest: number }): number {
  if (client.oldest > client.newest) {
    throw new EndpointError('invalidParameters', 'The oldest protocol version is newer than the newest.');
  }
  if (client.newest < oldestProtocolVersion) {
    throw new EndpointError(
      'protocolVersionUnsupported',
      'This app is older than the system extension. Update the app.',
      { details: { update: 'client', helper: protocolVersion, client: client.newest } },
    );
  }
  if (client.oldest > protocolVersion) {
    throw new EndpointError(
      'protocolVersionUnsupported',
      'The system extension is older than this app. Activate the extension that came with the app.',
      { details: { update: 'helper', helper: protocolVersion, client: client.oldest } },
    );
  }
  return Math.min(client.newest, protocolVersion);
}
