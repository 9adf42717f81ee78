import { execFileSync } from 'node:child_process';
import { symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FakeHelper } from '@sallyport/shared/client/testing/fake-helper.ts';
import { sampleConf, samplePrivateKey } from '@sallyport/shared/client/testing/sample-conf.ts';
import { CliFixture, expectDocumented } from '../testing/cli-fixture.ts';

let fixture: CliFixture;
let helper: FakeHelper;
let directory: string;
let confFile: string;
let done: CliFixture['done'];
let fails: CliFixture['fails'];

beforeEach(async () => {
  fixture = await CliFixture.start();
  ({ helper, directory, confFile, done, fails } = fixture);
});
afterEach(() => fixture.close());

describe('import', () => {
  it('stores a file under its own name and says how to connect', async () => {
    const host = await done('import', confFile);
    expect(host.out).toBe(
      'Imported “home”, server vpn.example.com:51820. To connect: sallyport connect home\n',
    );
    expect([...helper.secrets.values()]).toEqual([samplePrivateKey]);
  });

  it('takes a name, and prints no key with --json', async () => {
    const host = await done('import', '--json', '--name', 'My home', confFile);
    expectDocumented('import', host.json);
    expect(host.json).toMatchObject({ configuration: { name: 'My home' }, droppedLines: [] });
    expect(host.out).not.toContain(samplePrivateKey);
  });

  it('is for everybody, or with --only-me for its owner alone, and show says so', async () => {
    await done('import', confFile);
    await done('import', '--only-me', '--name', 'mine', confFile);
    const scopes = [...helper.configurations.values()].map(({ name, scope }) => [name, scope]);
    expect(scopes).toEqual([
      ['home', 'system'],
      ['mine', 'user'],
    ]);
    expect((await done('show', 'home')).out).toMatch(/For +everybody/);
    expect((await done('show', 'mine')).out).toMatch(/For +uid \d+ alone/);
  });

  it('reads standard input, which needs a name', async () => {
    const host = fixture.host({ stdin: new TextEncoder().encode(sampleConf) });
    expect(await host.run('import', '-', '--name', 'piped')).toBe(0);
    expect(host.out).toContain('“piped”');
    expect((await fails(2, 'import', '-')).errorText).toContain('--name');
  });

  it('refuses scripts with their line, and imports without them when told', async () => {
    await writeFile(confFile, sampleConf.replace('[Peer]', 'PostUp = reboot\n[Peer]'));
    const refused = await fails(1, 'import', confFile);
    expect(refused.errorText).toMatch(/^sallyport: home\.conf:6: /);
    expect(helper.configurations.size).toBe(0);
    const json = await fails(1, 'import', '--json', confFile);
    expect(json.json).toMatchObject({
      error: {
        domain: 'FormatError',
        code: 'scriptRefused',
        details: { file: 'home.conf', problems: [{ line: 6 }] },
      },
    });
    const imported = await done('import', '--without-scripts', confFile);
    expect(imported.errorText).toBe('Line 6 was left out: PostUp is never run.\n');
  });

  it('refuses what is no small regular file, without waiting', async () => {
    const fifo = join(directory, 'fifo.conf');
    execFileSync('mkfifo', [fifo]);
    await writeFile(join(directory, 'large.conf'), '');
    await truncate(join(directory, 'large.conf'), 10 * 1024 * 1024);
    await symlink('loop.conf', join(directory, 'loop.conf'));
    const cases: [string, RegExp][] = [
      [fifo, /not a regular file/],
      ['/dev/zero', /not a regular file/],
      [directory, /is a directory/],
      [join(directory, 'large.conf'), /larger than 256 KiB/],
      [join(directory, 'loop.conf'), /lead in a circle/],
      [join(directory, 'absent.conf'), /There is no such file/],
    ];
    for (const [path, reason] of cases) expect((await fails(1, 'import', path)).errorText).toMatch(reason);
    expect(helper.endpoint.requests).toEqual([]);
  });

  it('refuses standard input that is too long', async () => {
    const host = fixture.host({ stdin: new Uint8Array(256 * 1024 + 1) });
    expect(await host.run('import', '-', '--name', 'x')).toBe(1);
    expect(host.errorText).toContain('larger than 256 KiB');
  });

  it.each(['../../etc/x', 'a\u001b[2Jb', 'x'.repeat(300)])('refuses the name %j', async (name) => {
    const host = await fails(1, 'import', '--name', name, confFile);
    expect(host.errorText).toMatch(/^sallyport: The name /);
    expect(host.errorText).not.toContain('\u001b');
    expect(helper.configurations.size).toBe(0);
  });

  it('refuses a name that is taken', async () => {
    await done('import', confFile);
    expect((await fails(1, 'import', '--name', 'HOME', confFile)).errorText).toContain(
      'already a tunnel named',
    );
  });
});
