import { readFile, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import {
  configurationSchema,
  type Configuration,
  type ConfigurationDraft,
} from '@sallyport/shared/protocol/configuration.ts';
import { EndpointError, VPNError, isError } from '@sallyport/shared/protocol/errors.ts';
import { maximumConfigurations, maximumConfigurationsBytes } from '@sallyport/shared/protocol/limits.ts';
import { tunnelNameKey } from '@sallyport/shared/formats/tunnel-name.ts';
import { atomicWrite, durableRemove, removeTemporaries } from '../files/atomic-write.ts';
import { ensurePrivateDirectory } from '../files/private-directory.ts';
import { PendingSecrets } from '../keychain/pending-secrets.ts';
import { maximumSecretBytes } from '../keychain/sealed.ts';
import type { SecretStore } from '../keychain/secret-store.ts';
import type { CategoryLog } from '../log/logger.ts';
import { OwnerQuota } from './owner-quota.ts';

/** Version of the stored form; a later one brings a migration from this. */
const storedVersion = 1;
const storedSchema = z.strictObject({
  version: z.literal(storedVersion),
  configuration: configurationSchema,
});

const unreadableSuffix = '.unreadable';

export interface SaveRequest {
  readonly draft: ConfigurationDraft;
  readonly expectedRevision: number | null;
  readonly secrets: ReadonlyMap<string, Uint8Array>;
  readonly owner: number;
}

/** The part of the secret store that configurations need. */
export type StoredSecrets = Pick<SecretStore, 'put' | 'remove' | 'list' | 'path'>;

/**
 * Stored configurations, one file each, replaced atomically.
 *
 * Changes are made one after the other. A save writes its secrets first and takes them back when it fails; what a
 * crash leaves between the two is collected at the next `open`, since no configuration refers to it.
 */
export class ConfigurationStore {
  /** Imported secrets that wait for the configuration that will refer to them. */
  readonly pending: PendingSecrets;
  readonly #directory: string;
  readonly #secrets: StoredSecrets;
  readonly #log: CategoryLog;
  readonly #now: () => number;
  readonly #configurations: Map<string, Configuration>;
  readonly #quota: OwnerQuota;
  /** Removals under way, by id; nothing may be saved under their ids. */
  readonly #removals = new Map<string, Promise<void>>();
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    directory: string,
    secrets: StoredSecrets,
    log: CategoryLog,
    now: () => number,
    configurations: Map<string, Configuration>,
  ) {
    this.pending = new PendingSecrets((references) => {
      // In turn: a save that came first has made them its own.
      void this.#inTurn(() => this.#discardUnused(references));
    }, now);
    this.#directory = directory;
    this.#secrets = secrets;
    this.#quota = OwnerQuota.of(secrets);
    this.#log = log;
    this.#now = now;
    this.#configurations = configurations;
  }

  /** Reads what is stored. A file that cannot be read is set aside as `NAME.TIME.unreadable` and logged, not lost. */
  static async open(
    directory: string,
    secrets: StoredSecrets,
    log: CategoryLog,
    now: () => number = Date.now,
  ): Promise<ConfigurationStore> {
    await ensurePrivateDirectory(directory);
    await removeTemporaries(directory);
    const configurations = new Map<string, Configuration>();
    let complete = true;
    for (const name of await readdir(directory)) {
      if (name.endsWith(unreadableSuffix)) complete = false;
      if (!name.endsWith('.json')) continue;
      const path = join(directory, name);
      const stored = await readStored(path);
      if (stored === null || `${stored.id}.json` !== name) {
        complete = false;
        await rename(path, `${path}.${String(now())}${unreadableSuffix}`);
        log(
          'error',
          `The configuration file ${name} cannot be read and was set aside. Import the tunnel again.`,
          {
            file: name,
          },
        );
        continue;
      }
      configurations.set(stored.id, stored);
    }
    const store = new ConfigurationStore(directory, secrets, log, now, configurations);
    // Secrets of a file that cannot be read must outlive it, or its repair would find them gone.
    if (complete) await store.#discardUnused(await secrets.list());
    return store;
  }

  list(): Configuration[] {
    return [...this.#configurations.values()];
  }

  get(id: string): Configuration | null {
    return this.#configurations.get(id) ?? null;
  }

  /**
   * Creates or replaces a configuration, all or nothing.
   *
   * @throws {VPNError} `configurationStale`, `configurationInvalid`, `configurationUnknown`,
   * `configurationReadWriteFailed`
   * @throws {EndpointError} `nameTaken`
   * @throws {KeychainError} `storeUnreadable` when it brings a secret and none can be stored
   */
  save(request: SaveRequest): Promise<Configuration> {
    return this.#inTurn(async () => {
      const { draft } = request;
      const existing = this.get(draft.id);
      this.#check(request, existing);
      await this.#quota.check(
        {
          owner: existing?.owner ?? request.owner,
          isNew: existing === null,
          secrets: request.secrets,
          references: draft.secretReferences,
          name: draft.name,
        },
        this.list(),
      );
      const now = this.#now();
      const configuration: Configuration = {
        ...draft,
        revision: (existing?.revision ?? 0) + 1,
        owner: existing?.owner ?? request.owner,
        createdAt: existing?.createdAt ?? now,
        modifiedAt: now,
      };
      const written: string[] = [];
      try {
        for (const [reference, secret] of request.secrets) {
          await this.#secrets.put(reference, secret);
          written.push(reference);
        }
        await atomicWrite(
          this.#path(draft.id),
          `${JSON.stringify({ version: storedVersion, configuration }, null, 2)}\n`,
        );
      } catch (error) {
        await this.#discardUnused(written);
        if (isError(error, 'KeychainError')) throw error;
        throw new VPNError(
          'configurationReadWriteFailed',
          `“${draft.name}” could not be stored; nothing was changed. Check that the disk has room and can be written.`,
          { cause: error },
        );
      }
      this.#configurations.set(draft.id, configuration);
      for (const reference of configuration.secretReferences) this.pending.settle(reference);
      await this.#discardUnused(existing?.secretReferences ?? []);
      return configuration;
    });
  }

  /**
   * Deletes a configuration and the secrets that only it referenced.
   *
   * @param stop ends what uses the configuration; it still exists meanwhile, but can no longer be saved
   * @throws {VPNError} `configurationUnknown`, `configurationReadWriteFailed`
   */
  remove(id: string, stop: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    const underWay = this.#removals.get(id);
    if (underWay !== undefined) return underWay;
    const removal = this.#remove(id, stop).finally(() => this.#removals.delete(id));
    this.#removals.set(id, removal);
    return removal;
  }

  async #remove(id: string, stop: () => Promise<void>): Promise<void> {
    const { name, secretReferences } = await this.#inTurn(() => {
      // In turn, so that whoever saved it before has heard of that when `stop` is called.
      const configuration = this.get(id);
      if (configuration === null) throw unknownConfiguration(id);
      return configuration;
    });
    await stop();
    await this.#inTurn(async () => {
      try {
        await durableRemove(this.#path(id));
      } catch (error) {
        throw new VPNError(
          'configurationReadWriteFailed',
          `“${name}” could not be removed. Check that the disk can be written, then try again.`,
          { cause: error },
        );
      }
      this.#configurations.delete(id);
      await this.#discardUnused(secretReferences);
    });
  }

  #check(request: SaveRequest, existing: Configuration | null): void {
    const { draft, expectedRevision } = request;
    if (this.#removals.has(draft.id)) throw unknownConfiguration(draft.id);
    if (expectedRevision !== (existing?.revision ?? null)) {
      if (existing === null) throw unknownConfiguration(draft.id);
      throw new VPNError(
        'configurationStale',
        `“${existing.name}” was changed by another program since it was loaded. Load it again, then save.`,
        { details: { expectedRevision, storedRevision: existing.revision } },
      );
    }
    if (existing === null && this.#configurations.size >= maximumConfigurations) {
      throw new VPNError(
        'configurationInvalid',
        `There are already ${String(maximumConfigurations)} tunnels. Remove one first.`,
      );
    }
    const key = tunnelNameKey(draft.name);
    for (const other of this.#configurations.values()) {
      if (other.id !== draft.id && tunnelNameKey(other.name) === key) {
        throw new EndpointError(
          'nameTaken',
          `There is already a tunnel named “${other.name}”. Choose another name.`,
        );
      }
    }
    const others = this.list().filter((other) => other.id !== draft.id);
    const bytes = [draft, ...others].reduce((sum, one) => sum + Buffer.byteLength(JSON.stringify(one)), 0);
    if (bytes > maximumConfigurationsBytes) {
      throw new VPNError(
        'configurationInvalid',
        `“${draft.name}” and the other tunnels are together larger than ${String(maximumConfigurationsBytes)} bytes. Remove a tunnel first.`,
      );
    }
    this.#checkSecrets(request, existing);
  }

  #checkSecrets({ draft, secrets, owner }: SaveRequest, existing: Configuration | null): void {
    const refuse = (problem: string): VPNError =>
      new VPNError('configurationInvalid', `“${draft.name}” ${problem}. Import it again.`);
    const taken = new Set(this.list().flatMap((configuration) => configuration.secretReferences));
    const own = new Set(existing?.secretReferences ?? []);
    const listed = new Set(draft.secretReferences);
    for (const [reference, secret] of secrets) {
      if (!listed.has(reference)) throw refuse('does not list a secret that was sent with it');
      // Overwriting one would leave a crash neither the old configuration nor the new.
      if (taken.has(reference) || this.pending.has(reference, owner)) {
        throw refuse('was sent with a new secret under a reference that is in use');
      }
      if (secret.byteLength === 0 || secret.byteLength > maximumSecretBytes) {
        throw refuse(`has a secret that is empty or larger than ${String(maximumSecretBytes)} bytes`);
      }
    }
    for (const reference of listed) {
      if (!secrets.has(reference) && !own.has(reference) && !this.pending.has(reference, owner)) {
        throw refuse('refers to a secret that was neither sent with it nor imported by you in the last hour');
      }
    }
    const { passwordReference, identityReference } = draft.protocolConfiguration;
    for (const reference of [passwordReference, identityReference]) {
      if (reference !== null && !listed.has(reference)) {
        throw refuse('uses a secret that it does not list among its references');
      }
    }
  }

  /** Removes those of the secrets that no configuration refers to; what fails is left to the next `open`. */
  async #discardUnused(references: readonly string[]): Promise<void> {
    const used = new Set(this.list().flatMap((configuration) => configuration.secretReferences));
    for (const reference of references) {
      if (used.has(reference)) continue;
      try {
        await this.#secrets.remove(reference);
      } catch (error) {
        this.#log(
          'warning',
          'An unused secret could not be removed; the next start of the helper tries again.',
          {
            reference,
            error: String(error),
          },
        );
      }
    }
  }

  #inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #path(id: string): string {
    return join(this.#directory, `${id}.json`);
  }
}

/** @returns the error for an id that no configuration has */
export function unknownConfiguration(id: string): VPNError {
  return new VPNError(
    'configurationUnknown',
    `No tunnel has the id ${id}. It may have been removed; list the tunnels again.`,
  );
}

/** @returns null when the file holds no configuration that this version understands */
async function readStored(path: string): Promise<Configuration | null> {
  try {
    const parsed = storedSchema.safeParse(JSON.parse(await readFile(path, 'utf8')));
    return parsed.success ? parsed.data.configuration : null;
  } catch {
    return null;
  }
}
