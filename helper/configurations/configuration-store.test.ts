import { randomUUID } from 'node:crypto';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  configurationDraftSchema,
  type Configuration,
  type ConfigurationDraft,
} from '@sallyport/shared/protocol/configuration.ts';
import { maximumConfigurations } from '@sallyport/shared/protocol/limits.ts';
import { Keychain } from '../keychain/keychain.ts';
import { maximumSecretBytes } from '../keychain/sealed.ts';
import type { SealedSecretStore } from '../keychain/secret-store.ts';
import { StoppingFiles } from '../testing/stopping-files.ts';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';
import { ConfigurationStore } from './configuration-store.ts';

const directory = useTemporaryDirectory();
const secret = new TextEncoder().encode('correct horse');

let folder = '';
let secrets: SealedSecretStore;
let store: ConfigurationStore;
let log: string[];
let now: number;

async function open(): Promise<ConfigurationStore> {
  return await ConfigurationStore.open(
    folder,
    secrets,
    (level, message) => log.push(`${level} ${message}`),
    () => now,
  );
}

beforeEach(async () => {
  folder = join(directory.path, 'configurations');
  log = [];
  now = 1000;
  const options = { log: () => undefined, sealer: null };
  secrets = (await Keychain.open(join(directory.path, 'secrets'), options)).secrets;
  store = await open();
});

function draft(changes: Partial<ConfigurationDraft> = {}): ConfigurationDraft {
  return configurationDraftSchema.parse({
    id: randomUUID(),
    name: 'Home',
    protocolConfiguration: {
      providerBundleIdentifier: 'com.example.tunnel',
      serverAddress: 'vpn.example.com',
    },
    ...changes,
  });
}

function save(
  one: ConfigurationDraft,
  expectedRevision: number | null = null,
  given: Readonly<Record<string, Uint8Array>> = {},
): Promise<Configuration> {
  return store.save({ draft: one, expectedRevision, secrets: new Map(Object.entries(given)), owner: 1000 });
}

/** Makes the next write of a configuration's file fail, whoever runs the test. */
async function obstruct(id: string): Promise<() => Promise<void>> {
  const path = join(folder, `${id}.json`);
  const former = await readFile(path).catch(() => null);
  await rm(path, { force: true });
  await mkdir(join(path, 'in-the-way'), { recursive: true });
  return async () => {
    await rm(path, { recursive: true });
    if (former !== null) await writeFile(path, former);
  };
}

describe('saving', () => {
  it('creates with revision 1 and replaces with the next, keeping owner and time of creation', async () => {
    const one = draft();
    const first = await save(one);
    expect(first).toEqual({ ...one, revision: 1, owner: 1000, createdAt: 1000, modifiedAt: 1000 });
    now = 2000;
    const second = await store.save({
      draft: { ...one, name: 'Office' },
      expectedRevision: 1,
      secrets: new Map(),
      owner: 7,
    });
    expect(second).toEqual({ ...first, name: 'Office', revision: 2, modifiedAt: 2000 });
    expect((await open()).list()).toEqual([second]);
  });

  it('[M2] save with an old revision fails and changes nothing', async () => {
    const one = draft();
    await save(one);
    const kept = await save({ ...one, isEnabled: false }, 1);
    const reference = randomUUID();
    for (const old of [null, 1, 3]) {
      await expect(
        save({ ...one, name: 'Other', secretReferences: [reference] }, old, { [reference]: secret }),
      ).rejects.toMatchObject({
        domain: 'VPNError',
        code: 'configurationStale',
        details: { storedRevision: 2 },
      });
    }
    expect(store.get(one.id)).toEqual(kept);
    expect((await open()).list()).toEqual([kept]);
    expect(await secrets.list()).toEqual([]);
  });

  it('[M2] lets exactly one of several saves of the same revision through', async () => {
    const one = draft();
    await save(one);
    const names = ['A', 'B', 'C', 'D'];
    const results = await Promise.allSettled(names.map((name) => save({ ...one, name }, 1)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
    expect(store.get(one.id)).toMatchObject({ name: 'A', revision: 2 });
  });

  it('refuses to replace what does not exist', async () => {
    await expect(save(draft(), 1)).rejects.toMatchObject({ code: 'configurationUnknown' });
    expect(store.list()).toEqual([]);
  });

  it.each([
    ['Home', 'home'],
    ['Straße', 'STRASSE'],
    ['Café', 'Cafe\u0301'],
    ['Home', 'Ｈｏｍｅ'],
  ])('refuses a name that people take for another tunnel’s: %s and %s', async (first, second) => {
    const one = draft({ name: first });
    await save(one);
    await expect(save(draft({ name: second }))).rejects.toMatchObject({
      domain: 'EndpointError',
      code: 'nameTaken',
    });
    await save({ ...one, name: second }, 1);
    await save(draft({ name: 'Another' }));
  });

  it('refuses one tunnel too many, and more than a snapshot can carry', async () => {
    const filler = (size: number): ConfigurationDraft =>
      draft({
        name: randomUUID(),
        protocolConfiguration: {
          ...draft().protocolConfiguration,
          providerConfiguration: { x: 'y'.repeat(size) },
        },
      });
    const first = await save(filler(250_000));
    await save(filler(250_000));
    await expect(save(filler(50_000))).rejects.toMatchObject({ code: 'configurationInvalid' });
    await store.remove(first.id);
    for (let count = store.list().length; count < maximumConfigurations; count += 1) {
      // Each by another uid, since one alone may not own so many.
      await store.save({
        draft: draft({ name: `Tunnel ${String(count)}` }),
        expectedRevision: null,
        secrets: new Map(),
        owner: 2000 + count,
      });
    }
    await expect(save(draft({ name: 'One more' }))).rejects.toMatchObject({ code: 'configurationInvalid' });
  });
});

describe('secrets', () => {
  it('[K4] stores secrets apart from the configuration, which holds only their references', async () => {
    const reference = randomUUID();
    const one = draft({ secretReferences: [reference] });
    await save(one, null, { [reference]: secret });
    expect(await secrets.list()).toEqual([reference]);
    const text = await readFile(join(folder, `${one.id}.json`), 'utf8');
    expect(text).toContain(reference);
    expect(text).not.toContain('correct horse');
    expect(text).not.toContain(Buffer.from(secret).toString('base64'));
  });

  it('keeps the secrets that a replacement still lists and removes the others', async () => {
    const [kept, dropped, added] = [randomUUID(), randomUUID(), randomUUID()];
    const one = draft({ secretReferences: [kept, dropped] });
    await save(one, null, { [kept]: secret, [dropped]: secret });
    await save({ ...one, secretReferences: [kept, added] }, 1, { [added]: secret });
    expect((await secrets.list()).sort()).toEqual([kept, added].sort());
  });

  it('refuses secrets that are not listed, not sent, taken, empty, too large, or used without being listed', async () => {
    const [taken, fresh] = [randomUUID(), randomUUID()];
    const one = draft({ secretReferences: [taken] });
    await save(one, null, { [taken]: secret });
    const other = (references: string[]): ConfigurationDraft =>
      draft({ name: 'Other', secretReferences: references });
    const invalid = { domain: 'VPNError', code: 'configurationInvalid' };
    await expect(save(other([]), null, { [fresh]: secret })).rejects.toMatchObject(invalid);
    await expect(save(other([fresh]))).rejects.toMatchObject(invalid);
    await expect(save(other([taken]))).rejects.toMatchObject(invalid);
    await expect(save(other([taken]), null, { [taken]: secret })).rejects.toMatchObject(invalid);
    await expect(save(one, 1, { [taken]: secret })).rejects.toMatchObject(invalid);
    await expect(save(other([fresh]), null, { [fresh]: new Uint8Array() })).rejects.toMatchObject(invalid);
    await expect(
      save(other([fresh]), null, { [fresh]: new Uint8Array(maximumSecretBytes + 1) }),
    ).rejects.toMatchObject(invalid);
    for (const use of ['passwordReference', 'identityReference']) {
      const protocolConfiguration = { ...one.protocolConfiguration, [use]: fresh };
      await expect(save({ ...other([]), protocolConfiguration })).rejects.toMatchObject(invalid);
    }
    expect(store.list()).toHaveLength(1);
    expect(await secrets.list()).toEqual([taken]);
  });

  it('[K5] a save that cannot be written changes neither configuration nor secrets', async () => {
    const [old, fresh] = [randomUUID(), randomUUID()];
    const one = draft({ secretReferences: [old] });
    const before = await save(one, null, { [old]: secret });
    const clear = await obstruct(one.id);
    await expect(
      save({ ...one, name: 'New', secretReferences: [fresh] }, 1, { [fresh]: secret }),
    ).rejects.toMatchObject({ domain: 'VPNError', code: 'configurationReadWriteFailed' });
    await clear();
    expect(store.get(one.id)).toEqual(before);
    expect(await secrets.list()).toEqual([old]);
    expect((await open()).list()).toEqual([before]);
    await save({ ...one, name: 'New', secretReferences: [fresh] }, 1, { [fresh]: secret });
    expect(await secrets.list()).toEqual([fresh]);
  });

  it('[K5] a secret that cannot be written takes back those before it', async () => {
    const [first, second] = [randomUUID(), randomUUID()];
    await mkdir(join(directory.path, 'secrets', second));
    await expect(
      save(draft({ secretReferences: [first, second] }), null, { [first]: secret, [second]: secret }),
    ).rejects.toMatchObject({ code: 'configurationReadWriteFailed' });
    expect(store.list()).toEqual([]);
    expect(await secrets.list()).toEqual([second]);
  });
});

describe('a store whose key is lost', () => {
  it('[K1] keeps its configurations, takes no secret, and lets them be removed', async () => {
    const reference = randomUUID();
    const one = draft({ secretReferences: [reference] });
    await save(one, null, { [reference]: secret });
    await rm(join(directory.path, 'secrets/master-key'));
    const options = { log: () => undefined, sealer: null };
    const keychain = await Keychain.open(join(directory.path, 'secrets'), options);
    secrets = keychain.secrets;
    store = await open();
    expect(store.list()).toHaveLength(1);
    expect(await secrets.list()).toEqual([reference]);
    const other = randomUUID();
    await expect(
      save(draft({ name: 'Other', secretReferences: [other] }), null, { [other]: secret }),
    ).rejects.toMatchObject({ domain: 'KeychainError', code: 'storeUnreadable' });
    await save({ ...one, name: 'Renamed' }, 1);
    await store.remove(one.id);
    expect(await secrets.list()).toEqual([]);
  });
});

describe('removing', () => {
  it('[K4, K5] that dies before the secrets are gone is completed at the next start', async () => {
    const options = { log: () => undefined, sealer: null };
    const reference = randomUUID();
    const saved = await save(draft({ secretReferences: [reference] }), null, { [reference]: secret });
    const files = new StoppingFiles(0);
    const dying = await Keychain.open(join(directory.path, 'secrets'), { ...options, files });
    await (await ConfigurationStore.open(folder, dying.secrets, () => undefined)).remove(saved.id);
    expect(files.isStopped).toBe(true);
    expect(await secrets.list()).toEqual([reference]);
    expect((await open()).list()).toEqual([]);
    expect(await secrets.list()).toEqual([]);
  });

  it('[K4] removes what only the configuration referenced', async () => {
    const [one, two] = [randomUUID(), randomUUID()];
    const first = await save(draft({ secretReferences: [one] }), null, { [one]: secret });
    const second = await save(draft({ name: 'Two', secretReferences: [two] }), null, { [two]: secret });
    await store.remove(first.id);
    expect(store.list()).toEqual([second]);
    expect(await secrets.list()).toEqual([two]);
    expect((await open()).list()).toEqual([second]);
    await expect(store.remove(first.id)).rejects.toMatchObject({ code: 'configurationUnknown' });
  });

  it('stops what uses it first, and lets nobody save it meanwhile', async () => {
    const one = draft();
    await save(one);
    let stopped: () => void = () => undefined;
    let stops = 0;
    const stop = (): Promise<void> => {
      stops += 1;
      expect(store.get(one.id)).not.toBeNull();
      return new Promise((resolve) => {
        stopped = resolve;
      });
    };
    const removal = store.remove(one.id, stop);
    const again = store.remove(one.id, stop);
    await expect(save({ ...one, name: 'New' }, 1)).rejects.toMatchObject({ code: 'configurationUnknown' });
    await save(draft({ name: 'Other' }));
    stopped();
    await Promise.all([removal, again]);
    expect(stops).toBe(1);
    expect(store.list().map(({ name }) => name)).toEqual(['Other']);
    await save(one);
  });

  it('keeps a configuration whose file cannot be removed', async () => {
    const one = draft();
    const kept = await save(one);
    const clear = await obstruct(one.id);
    await expect(store.remove(one.id)).rejects.toMatchObject({ code: 'configurationReadWriteFailed' });
    await clear();
    expect(store.get(one.id)).toEqual(kept);
    await store.remove(one.id);
    expect(store.list()).toEqual([]);
  });
});

describe('after a crash', () => {
  it('[K5] collects secrets of a save that did not end, and interrupted writes', async () => {
    const [used, orphan] = [randomUUID(), randomUUID()];
    const kept = await save(draft({ secretReferences: [used] }), null, { [used]: secret });
    await secrets.put(orphan, secret);
    await writeFile(join(folder, `.${randomUUID()}.tmp`), '{"version":1,');
    expect((await open()).list()).toEqual([kept]);
    expect(await secrets.list()).toEqual([used]);
    expect(await readdir(folder)).toEqual([`${kept.id}.json`]);
    expect(log).toEqual([]);
  });

  it.each([
    ['no JSON', () => 'x'],
    ['cut off', (text: string) => text.slice(0, -10)],
    ['of a later version', (text: string) => text.replace('"version": 1', '"version": 2')],
    ['of another id', (text: string, id: string) => text.replace(id, randomUUID())],
    ['empty', () => ''],
  ])(
    '[K5] sets aside a file that is %s, and keeps every secret until it is repaired',
    async (_what, spoil) => {
      const [unreadable, dropped] = [randomUUID(), randomUUID()];
      const one = await save(draft({ secretReferences: [unreadable] }), null, { [unreadable]: secret });
      const other = draft({ name: 'Other', secretReferences: [dropped] });
      await save(other, null, { [dropped]: secret });
      const path = join(folder, `${one.id}.json`);
      const text = await readFile(path, 'utf8');
      const spoiled = spoil(text, one.id);
      await writeFile(path, spoiled);
      store = await open();
      expect(store.list().map(({ id }) => id)).toEqual([other.id]);
      expect(log).toEqual([expect.stringMatching(/^error .*was set aside/)]);

      // Later changes remove their own secrets only, also after another start.
      await save({ ...other, secretReferences: [] }, 1);
      store = await open();
      await store.remove(other.id);
      expect(await secrets.list()).toEqual([unreadable]);

      const aside = (await readdir(folder)).find((name) => name.endsWith('.unreadable')) ?? '';
      expect(await readFile(join(folder, aside), 'utf8')).toBe(spoiled);
      await rm(join(folder, aside));
      await writeFile(path, text);
      expect((await open()).list()).toEqual([one]);
      expect(await secrets.list()).toEqual([unreadable]);
    },
  );
});
