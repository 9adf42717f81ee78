import type { Writable } from 'node:stream';

/** Tells a person what happens: one line a step, with its result. Silent without an output. */
export class Narrator {
  readonly #output: Writable | null;

  constructor(output: Writable | null) {
    this.#output = output;
  }

  heading(text: string): void {
    this.#output?.write(`\n${text}\n`);
  }

  warning(text: string): void {
    this.#output?.write(`  ! ${text}\n`);
  }

  /** Runs a step that returns its value and what to say of it. */
  async step<T>(title: string, work: () => Promise<readonly [value: T, result: string]>): Promise<T> {
    this.#output?.write(`  · ${title} … `);
    try {
      const [value, result] = await work();
      this.#output?.write(`${result}\n`);
      return value;
    } catch (error) {
      this.#output?.write('failed\n');
      throw error;
    }
  }
}
