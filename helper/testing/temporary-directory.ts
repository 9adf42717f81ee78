import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';

/** Gives each test of a file its own empty directory, which is gone after it. */
export function useTemporaryDirectory(): { readonly path: string } {
  const directory = { path: '' };
  beforeEach(() => {
    directory.path = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
  });
  afterEach(() => {
    rmSync(directory.path, { recursive: true });
  });
  return directory;
}
