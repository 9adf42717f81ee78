import { createHash } from 'node:crypto';
import { chmod, link, mkdir, rename, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';
import { LinuxExecutableFiles, warmDigests, type ExecutableFiles } from './executable-files.ts';

const directory = useTemporaryDirectory();
const content = Buffer.alloc(700_001, 'sallyport');
const digest = createHash('sha256').update(content).digest('hex');

let files: LinuxExecutableFiles;
let app: string;

beforeEach(async () => {
  files = new LinuxExecutableFiles();
  app = join(directory.path, 'app');
  await writeFile(app, content, { mode: 0o755 });
  await chmod(app, 0o755);
});

describe('[E3] an executable', () => {
  it('is what the file system says of one file, and its content', async () => {
    const facts = await stat(app, { bigint: true });
    expect(await files.inspect(app, true)).toMatchObject({
      device: String(facts.dev),
      inode: String(facts.ino),
      owner: process.getuid?.(),
      mode: 0o755,
      digest,
    });
    expect(await files.inspect(app, false)).toMatchObject({ digest: null });
  });

  it('shows its set-user-ID bit', async () => {
    await chmod(app, 0o4755);
    expect((await files.inspect(app, false))?.mode).toBe(0o4755);
  });

  it('has its content read anew when it changed, also when it was replaced', async () => {
    await files.inspect(app, true);
    const other = Buffer.alloc(content.length, 'impostors');
    await writeFile(app, other);
    const changed = createHash('sha256').update(other).digest('hex');
    expect((await files.inspect(app, true))?.digest).toBe(changed);
    await writeFile(join(directory.path, 'new'), content, { mode: 0o755 });
    await rename(join(directory.path, 'new'), app);
    expect((await files.inspect(app, true))?.digest).toBe(digest);
  });

  it('is read once by several who ask at once', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => files.inspect(app, true)));
    expect(new Set(all.map((file) => file?.digest))).toEqual(new Set([digest]));
  });

  it('that changes while it is read has no digest, and one when it stays as it is', async () => {
    const large = join(directory.path, 'large');
    await writeFile(large, '');
    await truncate(large, 64 * 1024 * 1024);
    let isRead = false;
    const inspected = files.inspect(large, true).finally(() => {
      isRead = true;
    });
    // Its identity has the time of its last change; the content would be the same.
    const changes = async (): Promise<void> => {
      for (let mode = 0o700; !isRead; mode ^= 0o055) await chmod(large, mode);
    };
    await changes();
    expect(await inspected).toMatchObject({ inode: expect.any(String), digest: null });
    expect((await files.inspect(large, true))?.digest).toMatch(/^[0-9a-f]{64}$/);
  });

  it('is nothing when it is gone, a link or a directory', async () => {
    await symlink(app, join(directory.path, 'link'));
    await mkdir(join(directory.path, 'folder'));
    for (const name of ['gone', 'link', 'folder']) {
      expect(await files.inspect(join(directory.path, name), true)).toBeNull();
    }
  });

  it('is the same file under another name', async () => {
    await link(app, join(directory.path, 'twin'));
    const [one, other] = [
      await files.inspect(app, false),
      await files.inspect(join(directory.path, 'twin'), false),
    ];
    expect(one?.inode).toBe(other?.inode);
  });
});

describe('[E3] the way to an executable', () => {
  it('is named where others than root could change it', async () => {
    // `/tmp` itself is anybody's.
    expect((await files.inspect(app, false))?.weakDirectory).toBe('/tmp');
  });

  it('is fine where only root can', async () => {
    expect(await files.inspect('/usr/bin/env', false)).toMatchObject({ owner: 0, weakDirectory: null });
  });

  it('is weak through a link, whoever owns it', async () => {
    expect(await files.inspect('/proc/self/root/usr/bin/env', false)).toMatchObject({
      weakDirectory: '/proc/self',
    });
  });
});

describe('digests made ahead', () => {
  const sha256 = '0'.repeat(64);
  const executables = [
    { path: '/opt/one', sha256 },
    { path: '/opt/any', sha256: null },
    { path: '/opt/two', sha256 },
  ];
  let asked: [string, boolean][];
  const recorder: ExecutableFiles = {
    inspect: (path, withDigest) => {
      asked.push([path, withDigest]);
      return new Promise(() => undefined);
    },
  };

  beforeEach(() => {
    asked = [];
  });

  it('are those that the manifest gives', () => {
    warmDigests(recorder, { executables, developerUid: null });
    expect(asked).toEqual([
      ['/opt/one', true],
      ['/opt/two', true],
    ]);
  });

  it('are none where executables are not looked at', () => {
    warmDigests(recorder, { executables, developerUid: 1000 });
    expect(asked).toEqual([]);
  });
});
