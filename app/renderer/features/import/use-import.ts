import { useCallback, useState } from 'react';
import type { ImportRefusal, ImportResult } from '../../../bridge/channels.ts';
import { maximumImportBytes, maximumImportFiles } from '../../../bridge/limits.ts';
import { bridge } from '../../bridge.ts';
import { formatBytes } from '../../format/bytes.ts';

/** A file that was refused, with what is needed to try it again without its scripts. */
export interface RefusedFile {
  readonly file: File;
  readonly refusal: ImportRefusal;
}

export interface Importing {
  readonly refused: readonly RefusedFile[];
  readonly importFiles: (files: readonly File[]) => Promise<void>;
  readonly importWithoutScripts: (file: File) => Promise<void>;
  readonly dismiss: () => void;
}

/** Imports files one after another; what was refused stays until it is dismissed. */
export function useImport(
  onImported: (id: string, name: string, notes: readonly string[]) => void,
): Importing {
  const [refused, setRefused] = useState<readonly RefusedFile[]>([]);

  const importOne = useCallback(
    async (file: File, withoutScripts: boolean): Promise<RefusedFile | null> => {
      const result = await send(file, withoutScripts);
      if (result.status === 'refused') return { file, refusal: result.refusal };
      onImported(result.id, result.name, result.notes);
      return null;
    },
    [onImported],
  );

  const importFiles = useCallback(
    async (files: readonly File[]): Promise<void> => {
      const failures: RefusedFile[] = [];
      for (const [index, file] of files.entries()) {
        const failure =
          index < maximumImportFiles
            ? await importOne(file, false)
            : { file, refusal: refuse(file, `Drop at most ${String(maximumImportFiles)} files at once.`) };
        if (failure !== null) failures.push(failure);
      }
      setRefused(failures);
    },
    [importOne],
  );

  const importWithoutScripts = useCallback(
    async (file: File): Promise<void> => {
      const failure = await importOne(file, true);
      setRefused((others) => [
        ...others.filter((each) => each.file !== file),
        ...(failure === null ? [] : [failure]),
      ]);
    },
    [importOne],
  );

  const dismiss = useCallback(() => {
    setRefused([]);
  }, []);
  return { refused, importFiles, importWithoutScripts, dismiss };
}

async function send(file: File, withoutScripts: boolean): Promise<ImportResult> {
  if (file.size > maximumImportBytes) {
    const reason = `The file holds ${formatBytes(file.size)}. A configuration has at most ${formatBytes(maximumImportBytes)}; this is something else.`;
    return { status: 'refused', refusal: refuse(file, reason) };
  }
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    const reason = 'This cannot be read. Drop a file, not a folder, that you may read.';
    return { status: 'refused', refusal: refuse(file, reason) };
  }
  const answer = await bridge.importFile({ name: file.name, bytes, withoutScripts });
  return answer.ok ? answer.value : { status: 'refused', refusal: refuse(file, answer.error.message) };
}

function refuse(file: File, reason: string): ImportRefusal {
  return { file: file.name, problems: [{ line: null, reason }], canDropScripts: false };
}
