import { randomUUID } from 'node:crypto';
import { chmod, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it, vi } from 'vitest';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';
import { Keychain } from './keychain.ts';

/** A machine that for a while has no descriptor left for the files of secrets. */
const shortage = vi.hoisted(() => ({ isOn: false }));
vi.mock(import('../files/private-file.ts'), async (importOriginal) => {
  const { readPrivateFile } = await importOriginal();
  return {
    readPrivateFile: (path, maximumBytes) =>
      shortage.isOn && !path.endsWith('master-key')
        ? Promise.reject(Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' }))
        : readPrivateFile(path, maximumBytes),
  };
});

const directory = useTemporaryDirectory();
const open = (): Promise<Keychain> => Keychain.open(directory.path, { sealer: null, log: () => undefined });
const provider = 'com.example.tunnel';

beforeEach(() => {
  shortage.isOn = false;
});

it('[K5] takes no item for absent that cannot be read now, and sets none twice', async () => {
  await (await open()).items.of(provider).setPassword('service', 'account', 'old');
  const own = (await open()).items.of(provider);
  shortage.isOn = true;
  const expected = { domain: 'KeychainError', code: 'storeUnreadable' };
  await expect(own.getPassword('service', 'account')).rejects.toMatchObject(expected);
  await expect(own.setPassword('service', 'account', 'new')).rejects.toMatchObject(expected);
  shortage.isOn = false;
  expect(await own.getPassword('service', 'account')).toBe('old');
  await own.setPassword('service', 'account', 'new');
  expect(await readdir(join(directory.path, 'providers', provider))).toHaveLength(1);
});

it('[K5] makes no new master key beside secrets that cannot be read', async () => {
  const reference = randomUUID();
  await (await open()).secrets.put(reference, Uint8Array.of(1));
  await rm(join(directory.path, 'master-key'));
  shortage.isOn = true;
  expect((await open()).protection).toBeNull();
  shortage.isOn = false;
  await chmod(join(directory.path, reference), 0o640);
  expect((await open()).protection).toBeNull();
});
