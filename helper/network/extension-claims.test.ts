import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClaimFiles } from './extension-claims.ts';

let base: string;
let directory: string;
let log: string[];
const here = 'net:[1]';
const claims = (identifier: string, namespace = here): ClaimFiles =>
  new ClaimFiles(directory, identifier, namespace, (level, message) => log.push(`${level}: ${message}`));

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'claims-'));
  directory = join(base, 'sallyport', 'claims');
  log = [];
});
afterEach(() => rm(base, { recursive: true }));

describe('ClaimFiles', () => {
  it('[L10] tells the others of a claim until it is withdrawn, and leaves nothing', async () => {
    const [one, two] = [claims('com.example.one'), claims('com.example.two')];
    expect(await two.others()).toEqual([]);
    await one.publish({ full: [4], tables: [7] });
    expect(await two.others()).toEqual([{ identifier: 'com.example.one', full: [4], tables: [7] }]);
    expect(await one.others()).toEqual([]);
    await two.publish({ full: [], tables: [8] });
    await one.withdraw();
    expect(await two.others()).toEqual([]);
    await two.publish({ full: [], tables: [] });
    expect(await readdir(base)).toEqual([]);
  });

  it('counts neither another network namespace nor a process that is gone', async () => {
    await claims('com.example.far', 'net:[2]').publish({ full: [4], tables: [] });
    await claims('com.example.dead').publish({ full: [4], tables: [] });
    const path = join(directory, 'com.example.dead.json');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace(/"start":"\d+"/, '"start":"1"'));
    expect(await claims('com.example.one').others()).toEqual([]);
    expect(log).toEqual([]);
  });

  it('ignores what is no claim, and says so', async () => {
    await claims('com.example.two').publish({ full: [4], tables: [] });
    const good = await readFile(join(directory, 'com.example.two.json'), 'utf8');
    await writeFile(join(directory, 'garbage.json'), '{');
    await writeFile(join(directory, 'lines.json'), good.replace('com.example.two', 'a\\nb'));
    await writeFile(join(directory, 'large.json'), ' '.repeat(200_000));
    await symlink('com.example.two.json', join(directory, 'link.json'));
    await mkdir(join(directory, 'directory.json'));
    expect(await claims('com.example.one').others()).toEqual([
      { identifier: 'com.example.two', full: [4], tables: [] },
    ]);
    expect(log).toHaveLength(5);
  });

  it('trusts no directory that others can write to', async () => {
    await mkdir(directory, { recursive: true });
    await chmod(directory, 0o777);
    await expect(claims('com.example.one').publish({ full: [4], tables: [] })).rejects.toThrow('by others');
    await expect(claims('com.example.one').others()).rejects.toThrow('by others');
  });
});
