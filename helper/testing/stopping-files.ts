import { basename } from 'node:path';
import { realFiles, type FileSteps, type OpenFile } from '../files/file-steps.ts';

/** Thrown by every step after the last: the process is dead. */
export class Stopped extends Error {}

/** The real file system, which dies after a number of steps and keeps account of them. */
export class StoppingFiles implements FileSteps {
  readonly steps: string[] = [];
  readonly #last: number;

  /** @param last how many steps are made; a write that comes next is made by half */
  constructor(last = Infinity) {
    this.#last = last;
  }

  get isStopped(): boolean {
    return this.steps.length > this.#last;
  }

  async open(path: string, flags: string, mode?: number): Promise<OpenFile> {
    const name = nameOf(path);
    this.#step(`open ${name} ${flags}`);
    const file = await realFiles.open(path, flags, mode);
    return {
      writeFile: async (data) => {
        try {
          this.#step(`write ${name}`);
        } catch (stopped) {
          await file.writeFile(Buffer.from(data).subarray(0, Math.floor(data.length / 2)));
          throw stopped;
        }
        await file.writeFile(data);
      },
      sync: async () => {
        this.#step(`sync ${name}`);
        await file.sync();
      },
      // The kernel closes what a dead process had open.
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    };
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step(`rename ${nameOf(from)} ${nameOf(to)}`);
    await realFiles.rename(from, to);
  }

  async remove(path: string): Promise<void> {
    this.#step(`remove ${nameOf(path)}`);
    await realFiles.remove(path);
  }

  #step(what: string): void {
    this.steps.push(what);
    if (this.isStopped) throw new Stopped(`stopped before: ${what}`);
  }
}

/** Names of temporary files and items are random. */
function nameOf(path: string): string {
  const name = basename(path);
  return name.startsWith('.') ? 'TEMPORARY' : /^[0-9a-f-]{36}$/.test(name) ? 'FILE' : name;
}
