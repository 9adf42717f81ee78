import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildKindFile, buildKindText, readBuildKind } from './build-kind.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-kind-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('readBuildKind', () => {
  it('knows each kind by its file', () => {
    for (const kind of ['shipped', 'testing'] as const) {
      writeFileSync(join(folder, buildKindFile), buildKindText(kind));
      expect(readBuildKind(folder, true)).toBe(kind);
    }
  });

  it('is strict when the file is missing or says something else', () => {
    expect(readBuildKind(folder, true)).toBe('shipped');
    writeFileSync(join(folder, buildKindFile), '{"kind":"testing","kind":"source"}');
    expect(readBuildKind(folder, true)).toBe('shipped');
  });

  it('takes no file’s word in a source tree', () => {
    expect(readBuildKind(folder, false)).toBe('source');
  });

  it('has texts of one length, so that the archives differ in nothing else', () => {
    expect(buildKindText('shipped')).toHaveLength(buildKindText('testing').length);
  });
});
