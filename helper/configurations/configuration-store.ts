import { readFile, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import {
  configurationSchema,
  type Configuration,
  type ConfigurationDraft,
} from '@sallyport/shared/protocol/configuration.ts';
import { EndpointError, VPNError } from '@sallyport/shared/protocol/errors.ts';
import { maximumConfigurations } from '@sallyport/shared/protocol/limits.ts';
import { tunnelNameKey } from '@sallyport/shared/formats/tunnel-name.ts';
import { atomicWrite, durableRemove, temporarySuffix } from '../files/atomic-write.ts';
import { ensurePrivateDirectory } from '../files/private-directory.ts';
import type { SecretStore } from '../keychain/secret-store.ts';
import type { CategoryLog } from '../log/logger.ts';

/** Version of the stored form; a later one brings a migration from this. */
const storedVersion = 1;
const storedSchema = z.strictObject({ version: z.literal(storedVersion), configuration: configurationSchema });

export interface SaveRequest {
  readonly draft: ConfigurationDraft;
  readonly expectedRevision: number | null;
  readonly secrets: ReadonlyMap<string, Uint8Array>;
  readonly owner: number;
}

/**
 * Stored configurations, one file each, replaced atomically.
 *
 * Changes are made one after the other. A save writes its secrets first and takes them back when it fails; what a
 * crash leaves between the two is collected at the next `open`, since no configuration refers to it.
 */
export class ConfigurationStore {
  readonly #directory: string;
  readonly #secrets: SecretStore;
  readonly #now: () => number;
  readonly #configurations: Map<string, Configuration>;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    directory: string,
    secrets: SecretStore,
    now: () => number,
    configurations: Map<string, Configuration>,
  ) {
    this.#directory = directory;
    this.#secrets = secrets;
    this.#now = now;
    this.#configurations = configurations;
  }

  /** Reads what is stored. A file that cannot be read is set aside as `NAME.unreadable` and logged, not lost. */
  static async open(
    directory: string,
    secrets: SecretStore,
    log: CategoryLog,
    now: () => number = Date.now,
  ): Promise<ConfigurationStore> {
    await ensurePrivateDirectory(directory);
    const configurations = new Map<string, Configuration>();
    let complete = true;
    for (const name of await readdir(directory)) {
      const path = join(directory, name);
      if (name.endsWith(temporarySuffix)) await durableRemove(path);
      if (name.endsWith('.unreadable')) complete = false;
      if (!name.endsWith('.json')) continue;
      const text = await readFile(path, 'utf8');
      const stored = parseStored(text);
      if (stored === null || `${stored.id}.json` !== name) {
        complete = false;
        await rename(path, `${path}.unreadable`);
        log('error', `The configuration file ${name} cannot be read and was set aside.`, { file: name });
        continue;
      }
      configurations.set(stored.id, stored);
    }
    const store = new ConfigurationStore(directory, secrets, now, configurations);
    // Secrets of a file that cannot be read must outlive it, or its repair would find them gone.
    if (complete) await store.#collectSecrets();
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
   */
  save(request: SaveRequest): Promise<Configuration> {
    return this.#inTurn(async () => {
      const { draft } = request;
      const existing = this.get(draft.id);
      this.#check(request, existing);
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
        for (const reference of written) await this.#secrets.remove(reference);
        throw new VPNError(
          'configurationReadWriteFailed',
          `“${draft.name}” could not be stored; nothing was changed. ${error instanceof Error ? error.message : ''}`,
          { cause: error },
        );
      }
      this.#configurations.set(draft.id, configuration);
      if (existing !== null) await this.#collectSecrets();
      return configuration;
    });
  }

  /** Deletes a configuration and the secrets that only it referenced. */
  remove(id: string): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#configurations.has(id)) throw unknownConfiguration(id);
      await durableRemove(this.#path(id));
      this.#configurations.delete(id);
      await this.#collectSecrets();
    });
  }

  #check({ draft, expectedRevision, secrets }: SaveRequest, existing: Configuration | null): void {
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
    const listed = new Set(draft.secretReferences);
    for (const reference of secrets.keys()) {
      if (!listed.has(reference)) {
        throw new VPNError(
          'configurationInvalid',
          `A secret was sent that “${draft.name}” does not list among its references.`,
        );
      }
    }
    const own = new Set(existing?.secretReferences ?? []);
    for (const reference of listed) {
      if (!secrets.has(reference) && !own.has(reference)) {
        throw new VPNError(
          'configurationInvalid',
          `“${draft.name}” refers to a secret that was not sent with it. Import it again.`,
        );
      }
    }
  }

  async #collectSecrets(): Promise<void> {
    const used = new Set(this.list().flatMap((configuration) => configuration.secretReferences));
    for (const reference of await this.#secrets.list()) {
      if (!used.has(reference)) await this.#secrets.remove(reference);
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
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

function parseStored(text: string): Configuration | null {
  try {
    const parsed = storedSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data.configuration : null;
  } catch {
    return null;
  }
}
