import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { ConnectionError, serializeError } from '@sallyport/shared/protocol/errors.ts';
import type { SessionEnd } from '@sallyport/shared/protocol/session.ts';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';
import { FileEndStore } from './end-store.ts';

const directory = useTemporaryDirectory();
const [one, two] = [randomUUID(), randomUUID()];
let path = '';
let log: string[];

const open = (): Promise<FileEndStore> =>
  FileEndStore.open(path, (level, message) => log.push(`${level} ${message}`));

function end(at: number): SessionEnd {
  const error = new ConnectionError('serverNotResponding', 'It does not answer.', {
    details: { tries: 3 },
    cause: new Error('no route'),
  });
  return { reason: 'connectionFailed', error: serializeError(error), at };
}

beforeEach(() => {
  path = join(directory.path, 'ends.json');
  log = [];
});

describe('FileEndStore', () => {
  it('[L13] knows reason and typed error of every last end after a restart', async () => {
    const store = await open();
    expect(store.get(one)).toBeNull();
    store.set(one, end(1));
    store.set(two, { reason: 'userInitiated', error: null, at: 2 });
    store.set(one, end(3));
    expect(store.get(one)).toEqual(end(3));
    await store.flushed();
    const again = await open();
    expect(again.get(one)).toEqual(end(3));
    expect(again.get(two)).toEqual({ reason: 'userInitiated', error: null, at: 2 });
    expect(log).toEqual([]);
  });

  it('forgets what was removed, also after a restart', async () => {
    const store = await open();
    store.set(one, end(1));
    store.remove(one);
    store.remove(two);
    await store.flushed();
    expect((await open()).get(one)).toBeNull();
  });

  it.each(['', 'x', '{"version":2,"ends":{}}', `{"version":1,"ends":{"${one}":{"reason":"bored"}}}`])(
    'starts empty and says so when the file holds %j',
    async (text) => {
      await writeFile(path, text);
      const store = await open();
      expect(store.get(one)).toBeNull();
      expect(log).toEqual([expect.stringMatching(/^warning .*starts empty/)]);
      store.set(one, end(1));
      await store.flushed();
      expect((await open()).get(one)).toEqual(end(1));
    },
  );

  it('removes what an interrupted write left', async () => {
    await writeFile(join(directory.path, '.0b5c.tmp'), '{"version":1,');
    await open();
    expect(await readdir(directory.path)).toEqual([]);
  });

  it('logs a change that cannot be written, keeps it, and writes it with the next', async () => {
    const store = await open();
    await mkdir(join(path, 'in-the-way'), { recursive: true });
    store.set(one, end(1));
    await store.flushed();
    expect(log).toEqual([expect.stringMatching(/^error .*could not be stored/)]);
    expect(store.get(one)).toEqual(end(1));
    await rm(path, { recursive: true });
    store.set(two, end(2));
    await store.flushed();
    const again = await open();
    expect([again.get(one), again.get(two)]).toEqual([end(1), end(2)]);
  });
});
