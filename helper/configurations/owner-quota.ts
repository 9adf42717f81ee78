import { stat } from 'node:fs/promises';
import type { Configuration } from '@sallyport/shared/protocol/configuration.ts';
import { VPNError } from '@sallyport/shared/protocol/errors.ts';
import {
  maximumConfigurationsPerOwner,
  maximumSecretBytesPerOwner,
} from '@sallyport/shared/protocol/limits.ts';
import type { SecretStore } from '../keychain/secret-store.ts';

/** A save, as far as it counts. */
export interface QuotaRequest {
  readonly owner: number;
  /** Whether it adds a configuration. */
  readonly isNew: boolean;
  /** What it brings. */
  readonly secrets: ReadonlyMap<string, Uint8Array>;
  /** All that it will refer to, imported ones among them. */
  readonly references: readonly string[];
  readonly name: string;
}

/** Keeps one uid from filling what all share: places for configurations, and room for their secrets. */
export class OwnerQuota {
  readonly #sizeOf: (reference: string) => Promise<number>;

  /** @param sizeOf bytes that a stored secret takes, 0 when it is not there */
  constructor(sizeOf: (reference: string) => Promise<number>) {
    this.#sizeOf = sizeOf;
  }

  /** For the files of a store. */
  static of(secrets: Pick<SecretStore, 'path'>): OwnerQuota {
    return new OwnerQuota(async (reference) => {
      try {
        return (await stat(await secrets.path(reference))).size;
      } catch {
        return 0;
      }
    });
  }

  /**
   * Root is held to nothing here: it could fill the disk anyway.
   *
   * @throws {VPNError} `configurationInvalid`
   */
  async check(request: QuotaRequest, configurations: readonly Configuration[]): Promise<void> {
    const { owner, isNew, secrets, references, name } = request;
    if (owner === 0) return;
    const own = configurations.filter((configuration) => configuration.owner === owner);
    if (isNew && own.length >= maximumConfigurationsPerOwner) {
      throw new VPNError(
        'configurationInvalid',
        `You already have ${String(maximumConfigurationsPerOwner)} tunnels. Remove one first.`,
      );
    }
    const held = new Set(own.flatMap((one) => one.secretReferences));
    const stored = new Set([...held, ...references]);
    if (secrets.size === 0 && stored.size === held.size) return;
    let bytes = 0;
    for (const secret of secrets.values()) bytes += secret.byteLength;
    for (const reference of stored) if (!secrets.has(reference)) bytes += await this.#sizeOf(reference);
    if (bytes <= maximumSecretBytesPerOwner) return;
    throw new VPNError(
      'configurationInvalid',
      `The keys and passwords of “${name}” and your other tunnels are together larger than ${String(maximumSecretBytesPerOwner)} bytes. Remove a tunnel first.`,
    );
  }
}
