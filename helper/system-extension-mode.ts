import { join } from 'node:path';
import {
  containerDirectory,
  endpointPath,
  manifestSchema,
  type ExtensionManifest,
} from '@sallyport/shared/manifest/manifest.ts';
import { maximumFrameBytes } from '@sallyport/shared/protocol/limits.ts';
import type { NetworkPath } from '@sallyport/shared/provider/network-path.ts';
import { PolkitAuthority } from './authority/polkit-authority.ts';
import { ConfigurationStore } from './configurations/configuration-store.ts';
import type { Authority } from './endpoint/authority.ts';
import { Audience } from './endpoint/audience.ts';
import { EndpointServer } from './endpoint/endpoint-server.ts';
import { LinuxExecutableFiles } from './endpoint/executable-files.ts';
import { makeHandlers } from './endpoint/handlers.ts';
import { listenNatively } from './endpoint/native-listener.ts';
import { ensurePrivateDirectory } from './files/private-directory.ts';
import { LeakWatch } from './host/leak-watch.ts';
import { NativeVirtualInterfaces } from './host/native-virtual-interface.ts';
import { ProviderRegistry } from './host/provider-registry.ts';
import { SystemdCredentials } from './keychain/key-sealer.ts';
import { IdentityImporter } from './keychain/import-identity.ts';
import { Keychain } from './keychain/keychain.ts';
import type { Logger } from './log/logger.ts';
import { openNetwork } from './network/open-network.ts';
import { NativePathSource } from './path/native-path-source.ts';
import { PathMonitor } from './path/path-monitor.ts';
import { resolveHost } from './path/resolve-host.ts';
import { FileEndStore } from './sessions/end-store.ts';
import { interfaceName, interfacePrefix } from './sessions/interface-name.ts';
import { SessionManager } from './sessions/session-manager.ts';

export interface SystemExtensionOptions {
  /** Folder that the manifest's module paths start from. */
  readonly base: URL;
  readonly logger: Logger;
  /** Socket path; the manifest's place unless told. */
  readonly endpoint?: string;
  /** State directory; the manifest's place unless told. */
  readonly state?: string;
  /** Private namespaces around this process, no checks of executables (contract A10). */
  readonly developerMode?: boolean;
}

export interface RunningExtension {
  readonly endpoint: string;
  /** Stops every session, undoes everything and closes the endpoint. */
  stop(): Promise<void>;
}

/**
 * `NEProvider.startSystemExtensionMode()`: what an extension's main calls first and only.
 *
 * From then on clients can reach the endpoint, and each start of a configuration makes a new instance of the class
 * that the manifest declares for it. Nothing here is periodic while no session runs (contract L14).
 *
 * @throws {SystemExtensionError} the manifest or a provider module is not what it must be
 */
export async function startSystemExtensionMode(
  manifest: ExtensionManifest,
  options: SystemExtensionOptions,
): Promise<RunningExtension> {
  const valid = manifestSchema.parse(manifest);
  const { logger, base, developerMode = false } = options;
  const state = options.state ?? containerDirectory(valid);
  const endpoint = options.endpoint ?? endpointPath(valid);
  const startedAt = Date.now();
  await ensurePrivateDirectory(state);

  const keychain = await Keychain.open(join(state, 'secrets'), {
    log: logger.child('keychain'),
    // Developer mode leaves nothing on the machine, and systemd-creds would make its host key there.
    sealer: developerMode ? null : await SystemdCredentials.find(),
  });
  const configurations = await ConfigurationStore.open(
    join(state, 'configurations'),
    keychain.secrets,
    logger.child('configurations'),
  );
  const ends = await FileEndStore.open(join(state, 'ends.json'), logger.child('sessions'));
  const registry = await ProviderRegistry.load(valid, base);
  const prefix = interfacePrefix(valid.identifier);

  let onPathChanged: (path: NetworkPath) => void = () => undefined;
  const monitor = new PathMonitor(
    new NativePathSource(),
    (name) => name.startsWith(prefix),
    (path) => {
      onPathChanged(path);
    },
  );
  const network = await openNetwork({
    extensionIdentifier: valid.identifier,
    interfacePrefix: prefix,
    stateDirectory: state,
    deadline: valid.deadlines.networkSettings,
    physicalMtu: () => monitor.path.mtu,
    systemBus: !developerMode,
    log: logger.child('network'),
  });
  const audience: Audience = new Audience({
    send: (connection, name, params) => {
      server.notify(connection, name, params);
    },
    configurations,
    sessions: () => sessions.snapshots(),
    viewer: (connection) => server.viewer(connection),
  });
  const sessions: SessionManager = new SessionManager({
    configurations,
    ends,
    logger,
    deadlines: valid.deadlines,
    host: {
      registry,
      secrets: keychain.secrets,
      items: keychain.items,
      interfaces: new NativeVirtualInterfaces(keychain),
      leaks: new LeakWatch(),
      path: () => monitor.path,
      resolveHost,
    },
    network: (id) => network.share(id),
    interfaceName: (id) => interfaceName(valid.identifier, id),
    observer: audience,
  });

  onPathChanged = (path) => {
    void network.pathChanged();
    sessions.pathChanged(path);
  };

  // Developer mode asks nobody, and must not reach for the machine's bus.
  const polkit = developerMode ? null : new PolkitAuthority(logger.child('polkit'));
  const followers = new Map<number, () => void>();
  const server: EndpointServer = new EndpointServer({
    log: logger.child('endpoint'),
    requirement: {
      executables: valid.clientRequirement.executables,
      developerUid: developerMode ? (process.getuid?.() ?? null) : null,
    },
    files: new LinuxExecutableFiles(),
    authority: polkit ?? nobody,
    extensionIdentifier: valid.identifier,
    handlers: makeHandlers({
      manifest: valid,
      developerMode,
      url: base.href,
      startedAt,
      registry,
      configurations,
      identities: new IdentityImporter(keychain.secrets, configurations.pending),
      sessions,
      audience,
      logger,
      followers,
      server: () => server,
    }),
    onRoleChanged: (connection) => {
      audience.refresh(connection);
    },
    onClosed: (connection) => {
      audience.unsubscribe(connection);
      followers.get(connection)?.();
      followers.delete(connection);
    },
  });
  server.start((onEvent) => listenNatively({ path: endpoint, developerMode, maximumFrameBytes }, onEvent));
  logger.log('notice', 'main', `${valid.name} ${valid.version} answers at ${endpoint}.`, {
    fields: { identifier: valid.identifier, pid: process.pid, developerMode },
  });

  if (developerMode) {
    logger.log(
      'warning',
      'main',
      'Developer mode: executables and namespaces of callers are not checked; only the uid that started it may call.',
    );
  }

  return {
    endpoint,
    async stop() {
      monitor.stop();
      await sessions.stopAll('none');
      await ends.flushed();
      server.stop();
      polkit?.stop();
      await network.close();
      configurations.pending.stop();
      keychain.close();
      logger.log('notice', 'main', `${valid.name} stopped.`);
    },
  };
}

/** In developer mode, where whoever may speak at all may do everything. */
const nobody: Authority = { check: () => Promise.resolve('absent') };
