import { randomUUID } from 'node:crypto';
import { validateTunnelName } from '../formats/tunnel-name.ts';
import type { DroppedLine } from '../formats/wireguard-conf/conf.ts';
import { parseWireGuardConf } from '../formats/wireguard-conf/parse.ts';
import { wireGuardConfiguration, type WireGuardSummary } from '../formats/wireguard-settings.ts';
import { wireGuardProviderIdentifier } from '../manifest/sallyport-manifest.ts';
import type { Configuration, TunnelProviderProtocol } from '../protocol/configuration.ts';
import { decodeBase64 } from './base64.ts';
import type { CallOptions } from './endpoint-connection.ts';
import type { ReconnectingClient } from './reconnecting-client.ts';
import { TunnelProviderManager } from './tunnel-provider-manager.ts';

export interface WireGuardFile {
  /** The file's content, whatever it is; at most 256 KiB are accepted. */
  readonly bytes: Uint8Array;
  /** The file's own name, for messages and for the tunnel's name. */
  readonly fileName: string;
  /** The tunnel's name; by default the file's without `.conf`. */
  readonly name?: string | undefined;
  /** Leaves out `PostUp` and its kin instead of refusing the file. They are never run. */
  readonly dropScripts?: boolean | undefined;
}

export interface SaveImportOptions extends CallOptions {
  /** Who may use the tunnel; everybody on this computer unless told. */
  readonly scope?: Configuration['scope'];
}

/** A `.conf` file that was read and found good, and is not stored yet. **Holds secrets.** */
export interface WireGuardImport {
  readonly name: string;
  readonly protocolConfiguration: TunnelProviderProtocol;
  readonly secretReferences: readonly string[];
  readonly secrets: ReadonlyMap<string, Uint8Array>;
  /** What may be shown. */
  readonly summary: WireGuardSummary;
  /** Script lines that were left out. */
  readonly droppedLines: readonly DroppedLine[];
}

/**
 * Reads a wg-quick file and parts it from its keys; nothing leaves the process.
 *
 * @throws {FormatError} every problem of the file, with its line
 * @throws {TunnelNameError} the name, or the file's name without `.conf`, cannot be a tunnel's
 */
export function readWireGuardFile(file: WireGuardFile): WireGuardImport {
  const { bytes, fileName, dropScripts = false } = file;
  const name = validateTunnelName(file.name ?? tunnelNameOf(fileName));
  const conf = parseWireGuardConf(bytes, { fileName, dropScripts });
  const split = wireGuardConfiguration(conf, randomUUID);
  return {
    name,
    protocolConfiguration: {
      providerBundleIdentifier: wireGuardProviderIdentifier,
      serverAddress: split.publicSummary.serverAddress,
      username: null,
      passwordReference: null,
      identityReference: null,
      disconnectOnSleep: false,
      includeAllNetworks: false,
      excludeLocalNetworks: false,
      enforceRoutes: false,
      providerConfiguration: split.providerConfiguration,
    },
    secretReferences: split.secretReferences,
    secrets: new Map(
      Object.entries(split.secrets).map(([reference, text]) => [reference, decodeBase64(text)]),
    ),
    summary: split.publicSummary,
    droppedLines: conf.droppedLines,
  };
}

/**
 * Stores what was read, as a new tunnel.
 *
 * @throws {RemoteError} EndpointError `nameTaken`: a tunnel has this name, or one that looks the same; `accessDenied`
 */
export async function saveWireGuardImport(
  client: ReconnectingClient,
  imported: WireGuardImport,
  options: SaveImportOptions = {},
): Promise<TunnelProviderManager> {
  const { scope = 'system', ...callOptions } = options;
  const manager = new TunnelProviderManager(client);
  manager.name = imported.name;
  manager.protocolConfiguration = imported.protocolConfiguration;
  manager.secretReferences = imported.secretReferences;
  manager.scope = scope;
  await manager.save({ ...callOptions, secrets: imported.secrets });
  return manager;
}

/** Reads a wg-quick file and stores it as a new tunnel: `readWireGuardFile`, then `saveWireGuardImport`. */
export async function importWireGuardConf(
  client: ReconnectingClient,
  file: WireGuardFile,
  options: SaveImportOptions = {},
): Promise<TunnelProviderManager> {
  return saveWireGuardImport(client, readWireGuardFile(file), options);
}

/** `/tmp/home.conf` → `home`. */
export function tunnelNameOf(fileName: string): string {
  const own = fileName.slice(fileName.lastIndexOf('/') + 1);
  return own.replace(/\.conf$/i, '');
}
