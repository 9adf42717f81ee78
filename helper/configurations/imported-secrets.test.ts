import { randomUUID } from 'node:crypto';
import { mkdir, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import {
  configurationDraftSchema,
  type Configuration,
  type ConfigurationDraft,
} from '@sallyport/shared/protocol/configuration.ts';
import { maximumSecretBytesPerOwner } from '@sallyport/shared/protocol/limits.ts';
import { Keychain } from '../keychain/keychain.ts';
import { pendingLifetime } from '../keychain/pending-secrets.ts';
import type { SealedSecretStore } from '../keychain/secret-store.ts';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';
import { ConfigurationStore } from './configuration-store.ts';

const directory = useTemporaryDirectory();
const secret = new TextEncoder().encode('correct horse');

let folder = '';
let secrets: SealedSecretStore;
let store: ConfigurationStore;
let now: number;

function open(): Promise<ConfigurationStore> {
  return ConfigurationStore.open(
    folder,
    secrets,
    () => undefined,
    () => now,
  );
}

beforeEach(async () => {
  folder = join(directory.path, 'configurations');
  now = 1000;
  const options = { log: () => undefined, sealer: null };
  secrets = (await Keychain.open(join(directory.path, 'secrets'), options)).secrets;
  store = await open();
});

function draft(changes: Partial<ConfigurationDraft>): ConfigurationDraft {
  return configurationDraftSchema.parse({
    id: randomUUID(),
    name: 'Home',
    protocolConfiguration: { providerBundleIdentifier: 'com.example.tunnel', serverAddress: null },
    ...changes,
  });
}

function save(
  one: ConfigurationDraft,
  given: Readonly<Record<string, Uint8Array>> = {},
): Promise<Configuration> {
  const expectedRevision = store.get(one.id)?.revision ?? null;
  return store.save({ draft: one, expectedRevision, secrets: new Map(Object.entries(given)), owner: 1000 });
}

describe('an imported secret', () => {
  it('[K4] can be used by the uid that imported it, once it is in the store', async () => {
    const reference = randomUUID();
    await secrets.put(reference, secret);
    const one = draft({ secretReferences: [reference] });
    const invalid = { domain: 'VPNError', code: 'configurationInvalid' };
    await expect(save(one)).rejects.toMatchObject(invalid);
    store.pending.add(reference, 7);
    await expect(save(one)).rejects.toMatchObject(invalid);
    await expect(save(one, { [reference]: secret })).rejects.toThrow();
    expect(new Uint8Array(await secrets.read(reference))).toEqual(secret);
    store.pending.add(reference, 1000);
    await expect(save(one, { [reference]: secret })).rejects.toMatchObject(invalid);
    await save(one);
    expect(store.pending.size).toBe(0);
    await expect(save(draft({ name: 'Other', secretReferences: [reference] }))).rejects.toMatchObject(
      invalid,
    );
    await store.remove(one.id);
    expect(await secrets.list()).toEqual([]);
  });

  it('[K4] still waits when the save that would use it fails', async () => {
    const reference = randomUUID();
    await secrets.put(reference, secret);
    store.pending.add(reference, 1000);
    const one = draft({ secretReferences: [reference] });
    const inTheWay = join(folder, `${one.id}.json`);
    await mkdir(inTheWay);
    await expect(save(one)).rejects.toMatchObject({ code: 'configurationReadWriteFailed' });
    await rm(inTheWay, { recursive: true });
    expect(await secrets.list()).toEqual([reference]);
    await save(one);
  });

  it('[K4] whose hour ends while it is saved belongs to the configuration', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const reference = randomUUID();
      await secrets.put(reference, secret);
      store.pending.add(reference, 1000);
      const path = await secrets.path(reference);
      // Asked for its size, after it was found to wait.
      vi.spyOn(secrets, 'path').mockImplementationOnce(() => {
        now += pendingLifetime;
        vi.advanceTimersByTime(pendingLifetime);
        return Promise.resolve(path);
      });
      const one = draft({ secretReferences: [reference] });
      await save(one);
      expect(store.pending.size).toBe(0);
      await save({ ...one, name: 'Later' });
      expect(await secrets.list()).toEqual([reference]);
    } finally {
      vi.useRealTimers();
      vi.restoreAllMocks();
    }
  });

  it('counts into the room of its owner', async () => {
    const reference = randomUUID();
    await secrets.put(reference, secret);
    store.pending.add(reference, 1000);
    await truncate(await secrets.path(reference), maximumSecretBytesPerOwner + 1);
    await expect(save(draft({ secretReferences: [reference] }))).rejects.toThrow(/together larger than/);
  });

  it('[K4] that nobody used is collected after an hour, and at the next start', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const [late, used] = [randomUUID(), randomUUID()];
      for (const reference of [late, used]) {
        await secrets.put(reference, secret);
        store.pending.add(reference, 1000);
      }
      await save(draft({ secretReferences: [used] }));
      now += pendingLifetime;
      vi.advanceTimersByTime(pendingLifetime);
      vi.useRealTimers();
      await expect.poll(() => secrets.list()).toEqual([used]);
      const forgotten = randomUUID();
      await secrets.put(forgotten, secret);
      store.pending.add(forgotten, 1000);
      await open();
      expect(await secrets.list()).toEqual([used]);
    } finally {
      vi.useRealTimers();
    }
  });
});
