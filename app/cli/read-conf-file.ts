import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { maximumBytes } from '@sallyport/shared/formats/wireguard-conf/conf.ts';
import { VPNError } from '@sallyport/shared/protocol/errors.ts';
import { formatBytes } from './format/quantity.ts';
import { visible } from './format/visible.ts';
import type { Host } from './host.ts';

export interface ConfFile {
  readonly bytes: Uint8Array;
  /** The file's own name without folders; `-` for standard input. */
  readonly fileName: string;
}

/**
 * Reads a file that somebody else may have put there: only a regular one, never more than the limit.
 *
 * It is opened without waiting, so that a FIFO of that name stops nobody, and looked at once it is open, so that what
 * was looked at is what is read.
 *
 * @param path `-` reads standard input
 * @throws {VPNError} `configurationReadWriteFailed`
 */
export async function readConfFile(host: Pick<Host, 'readStdin'>, path: string): Promise<ConfFile> {
  if (path === '-') {
    const bytes = await host.readStdin(maximumBytes);
    if (bytes.byteLength > maximumBytes) throw tooLarge('Standard input');
    return { bytes, fileName: '-' };
  }
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
  const shown = visible(path);
  const file = await open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY).catch((error: unknown) => {
    throw notReadable(shown, error);
  });
  try {
    const stats = await file.stat();
    if (!stats.isFile()) {
      const kind = stats.isDirectory() ? 'a directory' : 'not a regular file';
      throw new VPNError(
        'configurationReadWriteFailed',
        `${shown} is ${kind}. Name a .conf file, or - for standard input.`,
      );
    }
    if (stats.size > maximumBytes) throw tooLarge(shown);
    // One byte more than allowed shows a file that grew since.
    const buffer = new Uint8Array(maximumBytes + 1);
    let filled = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, filled, buffer.byteLength - filled, null);
      if (bytesRead === 0) break;
      filled += bytesRead;
      if (filled > maximumBytes) throw tooLarge(shown);
    }
    return { bytes: buffer.subarray(0, filled), fileName: basename(path) };
  } catch (error) {
    throw error instanceof VPNError ? error : notReadable(shown, error);
  } finally {
    await file.close();
  }
}

function tooLarge(shown: string): VPNError {
  return new VPNError(
    'configurationReadWriteFailed',
    `${shown} is larger than ${formatBytes(maximumBytes)}, which no WireGuard configuration is.`,
  );
}

function notReadable(shown: string, error: unknown): VPNError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'There is no such file.',
    ENOTDIR: 'There is no such file.',
    EACCES: 'You may not read it.',
    ENXIO: 'It is not a regular file.',
    ELOOP: 'Its symbolic links lead in a circle.',
    ENAMETOOLONG: 'The name is too long.',
  };
  return new VPNError(
    'configurationReadWriteFailed',
    `${shown} cannot be read. ${reasons[code] ?? `The system says ${code}.`}`,
    { cause: error },
  );
}
