import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What this build is for.
 *
 * `testing` may be debugged and is otherwise the same; `source` is a source tree, which refuses nothing.
 */
export type BuildKind = 'shipped' | 'testing' | 'source';

/** Beside the bundle, and the one file in which the two packed builds differ. */
export const buildKindFile = 'build-kind.json';

/** The file's content; both kinds have as many bytes, so that nothing else moves in the archive. */
export function buildKindText(kind: Exclude<BuildKind, 'source'>): string {
  return `${JSON.stringify({ kind })}\n`;
}

/** Reads what the packed bundle in a folder is for; whatever cannot be read is as strict as what is shipped. */
export function readBuildKind(folder: string, packaged: boolean): BuildKind {
  if (!packaged) return 'source';
  try {
    return readFileSync(join(folder, buildKindFile), 'utf8') === buildKindText('testing')
      ? 'testing'
      : 'shipped';
  } catch {
    return 'shipped';
  }
}
