import { mkdtemp, readFile, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Before, Change } from './change.ts';
import { JournalFile, currentStamp } from './journal-file.ts';
import { Journal } from './journal.ts';
import { MemoryJournalStorage, silent, stamp } from './testing.ts';

const before: Before = { was: 'nothing' };
const change = (n: number): Change => ({
  kind: 'address',
  interface: { name: 'sp1', index: 1 },
  address: `10.0.0.${String(n)}/32`,
});
const announce = (...numbers: number[]): { session: string; change: Change; before: Before }[] =>
  numbers.map((n) => ({ session: 's', change: change(n), before }));
const open = (storage: MemoryJournalStorage): Promise<Journal> =>
  Journal.open(storage, stamp, 'com.example.tunnel', silent);
const addresses = (journal: Journal): string[] =>
  journal.pending.map(({ change: made }) => (made.kind === 'address' ? made.address : ''));

describe('Journal', () => {
  it('[F1] holds what was announced and not undone, and is empty when nothing is left', async () => {
    const storage = new MemoryJournalStorage();
    const journal = await open(storage);
    const [first, second] = await journal.will(announce(1, 2));
    await journal.settle([first ?? 0, second ?? 0], []);
    await journal.settle([], [first ?? 0]);
    expect(addresses(await open(storage))).toEqual(['10.0.0.2/32']);
    await (await open(storage)).settle([], [second ?? 0]);
    expect(storage.text).toBe('');
  });

  it('[F1] knows whose boot and network an entry belongs to', async () => {
    const storage = new MemoryJournalStorage();
    await (await open(storage)).will(announce(1));
    for (const [other, isSame] of [
      [stamp, true],
      [{ ...stamp, boot: 'boot-2' }, false],
      [{ ...stamp, namespace: 'net:[2]' }, false],
    ] as const) {
      const journal = await Journal.open(storage, other, 'com.example.tunnel', silent);
      expect(journal.pending.map((entry) => journal.isOfThisSystem(entry))).toEqual([isSame]);
    }
  });

  it('[F1] survives being torn at any byte', async () => {
    const storage = new MemoryJournalStorage();
    const journal = await open(storage);
    await journal.will(announce(1));
    const firstLength = storage.text.length;
    await journal.will(announce(2, 3));
    const whole = storage.text;
    const secondLength = whole.indexOf('\n', firstLength) + 1;
    for (let length = 0; length <= whole.length; length += 1) {
      const torn = new MemoryJournalStorage();
      torn.text = whole.slice(0, length);
      const expected = [firstLength, secondLength, whole.length].filter((end) => length >= end).length;
      const next = await open(torn);
      const kept = ['10.0.0.1/32', '10.0.0.2/32', '10.0.0.3/32'].slice(0, expected);
      expect(addresses(next)).toEqual(kept);
      await next.will(announce(9));
      expect(addresses(await open(torn))).toEqual([...kept, '10.0.0.9/32']);
    }
  });

  it('does not glue a line to half of one that a full disk left', async () => {
    const storage = new MemoryJournalStorage();
    const journal = await open(storage);
    await journal.will(announce(1));
    storage.onAppend = (text) => {
      storage.text += text.slice(0, 20);
      storage.onAppend = () => undefined;
      throw new Error('no space left');
    };
    await expect(journal.will(announce(2))).rejects.toThrow('no space left');
    await journal.will(announce(3));
    expect(addresses(await open(storage))).toEqual(['10.0.0.1/32', '10.0.0.3/32']);
  });

  it('leaves out a line that is no entry and says so', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), async (garbage) => {
        fc.pre(!garbage.includes('\n'));
        const storage = new MemoryJournalStorage();
        await (await open(storage)).will(announce(1));
        storage.text = `${garbage}\n${storage.text}`;
        const log: string[] = [];
        const journal = await Journal.open(storage, stamp, 'x', (level) => log.push(level));
        expect(addresses(journal)).toEqual(['10.0.0.1/32']);
        expect(log).toEqual(['error']);
      }),
    );
  });

  it('[L11] does not grow with the number of changes', async () => {
    const storage = new MemoryJournalStorage();
    const journal = await open(storage);
    await journal.will(announce(1));
    let longest = 0;
    for (let round = 0; round < 3000; round += 1) {
      const [id] = await journal.will(announce(2));
      await journal.settle([id ?? 0], [id ?? 0]);
      longest = Math.max(longest, storage.text.length);
    }
    expect(longest).toBeLessThan(1_000_000);
    expect(addresses(await open(storage))).toEqual(['10.0.0.1/32']);
  });
});

describe('JournalFile', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'journal-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('keeps text for its owner alone and follows no link', async () => {
    const path = join(directory, 'journal');
    const file = new JournalFile(path);
    expect(await file.read()).toBe('');
    await file.append('one\n', true);
    await file.append('two\n', false);
    expect(await file.read()).toBe('one\ntwo\n');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await file.replace('three\n');
    expect(await readFile(path, 'utf8')).toBe('three\n');
    const link = join(directory, 'link');
    await symlink(path, link);
    await expect(new JournalFile(link).append('four\n', true)).rejects.toMatchObject({ code: 'ELOOP' });
    await expect(new JournalFile(link).read()).rejects.toMatchObject({ code: 'ELOOP' });
  });

  it('is stamped with this boot and network', async () => {
    const { boot, namespace } = await currentStamp();
    expect(boot).toMatch(/^[0-9a-f-]{36}$/);
    expect(namespace).toMatch(/^net:\[\d+\]$/);
  });
});
