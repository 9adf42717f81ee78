import { open, rename, rm } from 'node:fs/promises';

/** An open file or directory. */
export interface OpenFile extends AsyncDisposable {
  writeFile(data: string | Uint8Array): Promise<void>;
  sync(): Promise<void>;
}

/** The steps that a change of stored files is made of; a test counts them and stops after any of them. */
export interface FileSteps {
  open(path: string, flags: string, mode?: number): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  /** A file that is not there is no error. */
  remove(path: string): Promise<void>;
}

/** The file system itself. */
export const realFiles: FileSteps = {
  open,
  rename,
  remove: (path) => rm(path, { force: true }),
};
