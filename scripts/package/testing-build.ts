import { constants } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { buildKindFile, buildKindText } from '../../app/main/build-kind.ts';
import { replaceInAsar } from './asar-file.ts';
import { setFuses } from './fuses.ts';

/**
 * Copies what is shipped and makes of the copy what tests can drive with a debugger.
 *
 * Two things are different: the fuse that lets Node's inspector in, and the file in the archive by which the app knows
 * that it may be debugged.
 */
export async function copyForTests(shipped: string, target: string): Promise<void> {
  await rm(target, { recursive: true, force: true });
  await cp(shipped, target, {
    recursive: true,
    preserveTimestamps: true,
    verbatimSymlinks: true,
    mode: constants.COPYFILE_FICLONE,
  });
  await setFuses(join(target, 'sallyport'), { EnableNodeCliInspectArguments: true });
  const archive = join(target, 'resources', 'app.asar');
  await replaceInAsar(archive, buildKindFile, Buffer.from(buildKindText('testing')));
}
