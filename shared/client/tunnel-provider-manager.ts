import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import {
  configurationDraftSchema,
  type Configuration,
  type ConfigurationDraft,
  type TunnelProviderProtocol,
} from '../protocol/configuration.ts';
import { VPNError } from '../protocol/errors.ts';
import { encodeBase64 } from './base64.ts';
import type { CallOptions } from './endpoint-connection.ts';
import type { ReconnectingClient } from './reconnecting-client.ts';
import { TunnelProviderSession } from './tunnel-provider-session.ts';

export interface SaveOptions extends CallOptions {
  /** New secrets by reference. Each must be listed in `secretReferences`; they cannot be read back. */
  readonly secrets?: ReadonlyMap<string, Uint8Array>;
}

/**
 * One tunnel configuration, kept by the helper: change its properties, then `save`.
 *
 * A manager is a copy. Until it was loaded or saved once it does nothing else, and saving a copy that another program
 * has overtaken fails instead of undoing that program's change. (`NETunnelProviderManager`)
 */
export class TunnelProviderManager {
  /** The configuration's id, the same for its whole life. */
  readonly id: string;
  /** What the person sees. (`localizedDescription`) */
  name = '';
  /** Whether it may run; saving `false` stops a running session. */
  isEnabled = true;
  /** Who may use it: everybody on this computer, or its owner and administrators alone. */
  scope: Configuration['scope'] = 'system';
  /** Whether the helper makes a failed start again, with growing pauses, until the person stops it. */
  retry = true;
  /** Which provider runs, and with what; null until it was set or loaded. */
  protocolConfiguration: TunnelProviderProtocol | null = null;
  /** Every reference to a secret that `protocolConfiguration` uses. */
  secretReferences: readonly string[] = [];
  readonly #client: ReconnectingClient;
  readonly #session: TunnelProviderSession;
  #revision: number | null = null;

  /** A new configuration, stored nowhere before `save`. Use `loadAll` for those that exist. */
  constructor(client: ReconnectingClient, id: string = randomUUID()) {
    this.#client = client;
    this.id = id;
    this.#session = new TunnelProviderSession(client, id, () => {
      this.#requireStored();
    });
  }

  /** Every configuration that the caller may see; an empty list is no error. */
  static async loadAll(client: ReconnectingClient): Promise<TunnelProviderManager[]> {
    const { configurations } = await client.call('configurations.list', {});
    return configurations.map((configuration) => {
      const manager = new TunnelProviderManager(client, configuration.id);
      manager.#take(configuration);
      return manager;
    });
  }

  /**
   * Revision that this copy was last in agreement with; grows by one with each save of anyone.
   *
   * @throws {VPNError} `configurationInvalid` before the first load or save
   */
  get revision(): number {
    return this.#requireStored();
  }

  /** The session of this configuration, the same object for the manager's life; of no use before a load or save. */
  get session(): TunnelProviderSession {
    return this.#session;
  }

  /**
   * Makes this copy what is stored now, and drops changes that were not saved.
   *
   * @throws {RemoteError} VPNError `configurationUnknown`: it was never saved, or was removed
   */
  async load(): Promise<void> {
    const { configuration } = await this.#client.call('configurations.load', { id: this.id });
    this.#take(configuration);
  }

  /**
   * Creates or replaces the stored configuration, all or nothing. A running session goes on as it is, except that
   * disabling stops it. Afterwards this copy is current.
   *
   * @returns the new revision
   * @throws {VPNError} `configurationInvalid`: a field is missing or malformed; nothing was sent
   * @throws {RemoteError} VPNError `configurationStale`, with `details.expectedRevision` and `details.storedRevision`;
   * EndpointError `nameTaken`, `accessDenied`
   */
  async save(options: SaveOptions = {}): Promise<number> {
    const secrets = Object.fromEntries(
      [...(options.secrets ?? [])].map(([reference, secret]) => [reference, encodeBase64(secret)]),
    );
    const { configuration } = await this.#client.call(
      'configurations.save',
      { configuration: this.#draft(), expectedRevision: this.#revision, secrets },
      { signal: options.signal, timeout: options.timeout },
    );
    this.#take(configuration);
    return configuration.revision;
  }

  /**
   * Stops the session and deletes the configuration with the secrets that only it uses. Saving this manager again
   * creates the configuration anew, without those.
   *
   * @throws {VPNError} `configurationInvalid` before the first load or save
   */
  async remove(options: CallOptions = {}): Promise<void> {
    this.#requireStored();
    await this.#client.call('configurations.remove', { id: this.id }, options);
    this.#revision = null;
  }

  #draft(): ConfigurationDraft {
    const draft = configurationDraftSchema.safeParse({
      id: this.id,
      name: this.name,
      isEnabled: this.isEnabled,
      scope: this.scope,
      retry: this.retry,
      protocolConfiguration: this.protocolConfiguration,
      secretReferences: this.secretReferences,
    });
    if (draft.success) return draft.data;
    throw new VPNError(
      'configurationInvalid',
      `The configuration cannot be saved. ${z.prettifyError(draft.error).replace(/\s+/g, ' ')}`,
      { cause: draft.error },
    );
  }

  #take(configuration: Configuration): void {
    this.name = configuration.name;
    this.isEnabled = configuration.isEnabled;
    this.scope = configuration.scope;
    this.retry = configuration.retry;
    this.protocolConfiguration = configuration.protocolConfiguration;
    this.secretReferences = configuration.secretReferences;
    this.#revision = configuration.revision;
  }

  #requireStored(): number {
    if (this.#revision !== null) return this.#revision;
    throw new VPNError(
      'configurationInvalid',
      'This configuration was neither loaded nor saved yet. Call load() or save() first.',
    );
  }
}
