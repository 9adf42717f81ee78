import { getRawHeader, statFile, uncache } from '@electron/asar';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';

/**
 * Replaces a file inside an asar archive by one of the same length.
 *
 * Only that file's bytes and its digests in the header change, so that whoever compares two archives sees at once what
 * is different. Packing anew would move everything.
 */
export async function replaceInAsar(archive: string, name: string, content: Buffer): Promise<void> {
  uncache(archive);
  const { headerSize } = getRawHeader(archive);
  const entry = statFile(archive, name);
  if (!('offset' in entry)) throw new Error(`${name} is no file of ${archive}.`);
  const bytes = await readFile(archive);
  // Two pickled lengths, then the header, then the files one after the other.
  const headerStart = 8;
  const start = headerStart + headerSize + Number(entry.offset);
  const before = Buffer.from(bytes.subarray(start, start + entry.size));
  if (content.length !== before.length)
    throw new Error(`${name} must keep its ${String(before.length)} bytes.`);
  content.copy(bytes, start);

  const header = bytes.subarray(headerStart, headerStart + headerSize);
  const [oldDigest, newDigest] = [sha256(before), sha256(content)];
  for (let at = header.indexOf(oldDigest); at !== -1; at = header.indexOf(oldDigest, at + 1)) {
    header.write(newDigest, at, 'latin1');
  }
  await writeFile(archive, bytes);
  uncache(archive);
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
