import { extractFile, getRawHeader, listPackage, statFile, uncache } from '@electron/asar';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readFile, readdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildKindFile, buildKindText } from '../../app/main/build-kind.ts';
import { readFuses } from '../../scripts/package/fuses.ts';
import { packedExecutable } from './rig/installed-app.ts';

/** What people get and its twin for tests are the same but for what this file names, byte for byte. */

let shipped: string;
let testing: string;

beforeAll(async () => {
  shipped = dirname(await packedExecutable('shipped'));
  testing = dirname(await packedExecutable('testing'));
});

/** Every path of a folder with its kind, permissions and digest. */
async function inventory(folder: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const lines = entries.map(async (entry): Promise<[string, string]> => {
    const path = join(entry.parentPath, entry.name);
    const { mode } = await lstat(path);
    return [relative(folder, path), `${mode.toString(8)} ${entry.isFile() ? await digest(path) : ''}`];
  });
  return new Map(await Promise.all(lines));
}

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Offsets at which two files of one length differ. */
async function differences(one: string, other: string): Promise<readonly number[]> {
  const [a, b] = [await readFile(one), await readFile(other)];
  expect(a.length).toBe(b.length);
  const offsets: number[] = [];
  const block = 65_536;
  for (let start = 0; start < a.length; start += block) {
    if (a.subarray(start, start + block).equals(b.subarray(start, start + block))) continue;
    for (let at = start; at < Math.min(start + block, a.length); at += 1)
      if (a[at] !== b[at]) offsets.push(at);
  }
  return offsets;
}

describe('the shipped build and its twin for tests', () => {
  it('differ in the app’s executable and its archive alone', async () => {
    const [one, other] = [await inventory(shipped), await inventory(testing)];
    expect([...other.keys()].sort()).toEqual([...one.keys()].sort());
    const different = [...one.keys()].filter((path) => one.get(path) !== other.get(path));
    expect(different.sort()).toEqual(['resources/app.asar', 'sallyport']);
  });

  it('differ in one byte of the executable: the fuse of the inspector', async () => {
    const [one, other] = [join(shipped, 'sallyport'), join(testing, 'sallyport')];
    const [offset, ...more] = await differences(one, other);
    expect(more).toEqual([]);
    const byte = async (path: string) => (await readFile(path)).toString('latin1', offset, (offset ?? 0) + 1);
    expect([await byte(one), await byte(other)]).toEqual(['0', '1']);
    const fuses = await readFuses(one);
    expect(await readFuses(other)).toEqual({ ...fuses, EnableNodeCliInspectArguments: true });
  });

  it('differ in one file of the archive, and in its digests in the archive’s header', () => {
    const [one, other] = [join(shipped, 'resources/app.asar'), join(testing, 'resources/app.asar')];
    for (const archive of [one, other]) uncache(archive);
    const names = listPackage(one, { isPack: false }).map((name) => name.replace(/^\//, ''));
    expect(listPackage(other, { isPack: false }).map((name) => name.replace(/^\//, ''))).toEqual(names);
    const files = names.filter((name) => 'size' in statFile(one, name));
    const different = files.filter((name) => !extractFile(one, name).equals(extractFile(other, name)));
    expect(different).toEqual([buildKindFile]);
    expect(extractFile(one, buildKindFile).toString()).toBe(buildKindText('shipped'));
    expect(extractFile(other, buildKindFile).toString()).toBe(buildKindText('testing'));

    const digestOf = (kind: 'shipped' | 'testing') =>
      createHash('sha256').update(buildKindText(kind)).digest('hex');
    const header = getRawHeader(one).headerString;
    expect(header).toContain(digestOf('shipped'));
    expect(getRawHeader(other).headerString).toBe(
      header.replaceAll(digestOf('shipped'), digestOf('testing')),
    );
  });

  it('have no loader beside the archive that would run another application', async () => {
    expect(await readdir(join(shipped, 'resources'))).toEqual(['app.asar']);
  });
});

it('the shipped build’s fuses are as the documentation says', async () => {
  const { GrantFileProtocolExtraPrivileges, ...fuses } = await readFuses(join(shipped, 'sallyport'));
  expect(fuses).toEqual({
    RunAsNode: false,
    EnableNodeOptionsEnvironmentVariable: false,
    EnableNodeCliInspectArguments: false,
    EnableCookieEncryption: true,
    OnlyLoadAppFromAsar: true,
  });
  // Electron 22 has not got it yet.
  expect(GrantFileProtocolExtraPrivileges ?? false).toBe(false);
});
