import { constants } from 'node:fs';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  open,
  readFile,
  readlink,
  rename,
  rm,
  rmdir,
  symlink,
} from 'node:fs/promises';
import { dirname } from 'node:path';
import type { FileState } from './change.ts';
import { SystemError, type SystemErrorCode } from './system.ts';

/** No configuration file that we replace is larger by far; a larger one is not what it seems. */
const maximumBytes = 1 << 20;

/** What a path holds, a link not followed. @throws {SystemError} */
export async function readFileState(path: string): Promise<FileState> {
  try {
    const facts = await lstat(path);
    if (facts.isSymbolicLink()) return { type: 'symlink', target: await readlink(path) };
    if (!facts.isFile() || facts.size > maximumBytes) {
      throw new SystemError('FAILED', `${path} is no small regular file and is not touched.`);
    }
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const content = (await file.readFile()).toString('base64');
    return { type: 'file', content, mode: facts.mode & 0o7777, uid: facts.uid, gid: facts.gid };
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR'))
      return { type: 'absent', hadDirectory: await isDirectory(dirname(path)) };
    throw systemError(`read ${path}`, error);
  }
}

/** What a program that opens the path reads; null if there is nothing or no file. */
export async function readText(path: string): Promise<string | null> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const facts = await file.stat();
    return facts.isFile() && facts.size <= maximumBytes ? await file.readFile('utf8') : null;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES')) return null;
    throw systemError(`read ${path}`, error);
  }
}

/**
 * Replaces what a path holds by a rename, so that readers see the old or the new.
 *
 * A mount point cannot be renamed over (containers mount resolv.conf so, and so does developer mode): then the
 * file is emptied and written, so that a death between leaves a beginning of the text and nothing of another.
 *
 * @param temporary path in the same directory; what is there is removed
 * @throws {SystemError}
 */
export async function replaceFile(path: string, state: FileState, temporary: string): Promise<void> {
  try {
    if (state.type === 'absent') {
      await rm(path, { force: true });
      if (!state.hadDirectory) await removeEmpty(dirname(path));
      return;
    }
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await rm(temporary, { force: true });
    try {
      await create(temporary, state);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      if (state.type !== 'file' || !isErrno(error, 'EBUSY', 'EXDEV')) throw error;
      await overwrite(path, Buffer.from(state.content, 'base64'));
    }
    await syncDirectory(dirname(path));
  } catch (error) {
    throw systemError(`replace ${path}`, error);
  }
}

/** @throws {SystemError} */
export async function removeTemporary(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
  } catch (error) {
    throw systemError(`remove ${path}`, error);
  }
}

/** Turns an error of Node's file system into ours. */
export function systemError(tried: string, error: unknown): SystemError {
  if (error instanceof SystemError) return error;
  const known: Readonly<Record<string, SystemErrorCode>> = {
    ENOENT: 'NOT_FOUND',
    EEXIST: 'EXISTS',
    EACCES: 'PERMISSION',
    EPERM: 'PERMISSION',
    EROFS: 'PERMISSION',
    EBUSY: 'BUSY',
  };
  const errno = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const message = error instanceof Error ? error.message : String(error);
  return new SystemError(known[errno] ?? 'FAILED', `${tried}: ${message}`, error);
}

export function isErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.some((code) => code === error.code);
}

async function create(path: string, state: Exclude<FileState, { type: 'absent' }>): Promise<void> {
  if (state.type === 'symlink') {
    await symlink(state.target, path);
    return;
  }
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(Buffer.from(state.content, 'base64'));
  await file.sync();
  await giveTo(path, state.uid, state.gid);
  // Last, since a change of owner clears bits; and not by open's mode, which the umask reduces.
  await chmod(path, state.mode);
}

/** In a user namespace a file may have belonged to somebody who does not exist there: then its content must do. */
async function giveTo(path: string, uid: number, gid: number): Promise<void> {
  if (uid === process.geteuid?.() && gid === process.getegid?.()) return;
  try {
    await chown(path, uid, gid);
  } catch (error) {
    if (!isErrno(error, 'EINVAL', 'EPERM')) throw error;
  }
}

async function overwrite(path: string, content: Buffer): Promise<void> {
  await using file = await open(path, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW);
  await file.writeFile(content);
  await file.sync();
}

async function removeEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY', 'ENOENT', 'EBUSY')) throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

/** A sysctl's value without its newline, or null where there is none. @throws {SystemError} */
export async function readSysctl(name: string): Promise<string | null> {
  try {
    return (await readFile(`/proc/sys/${name}`, 'utf8')).replace(/\n$/, '');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw systemError(`read sysctl ${name}`, error);
  }
}

/** @throws {SystemError} */
export async function writeSysctl(name: string, value: string): Promise<void> {
  try {
    await using file = await open(`/proc/sys/${name}`, constants.O_WRONLY);
    await file.write(value);
  } catch (error) {
    throw systemError(`set sysctl ${name} to ${value}`, error);
  }
}
