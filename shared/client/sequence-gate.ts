/** What to do with a numbered notification. */
export type GateVerdict = 'deliver' | 'ignore' | 'hold' | 'gap';

/**
 * Puts numbered notifications in relation to a snapshot (contract E8).
 *
 * Those that the snapshot already contains are ignored, those that arrive before it are held, and a missing number
 * means that the snapshot must be fetched again.
 */
export class SequenceGate {
  /** Sequence of the last thing that was seen, null while a snapshot is awaited. */
  #last: number | null = null;

  /** Waits for a snapshot, holding everything until then. */
  close(): void {
    this.#last = null;
  }

  /** Takes the sequence of a snapshot that has arrived. */
  open(sequence: number): void {
    this.#last = sequence;
  }

  judge(sequence: number): GateVerdict {
    if (this.#last === null) return 'hold';
    if (sequence <= this.#last) return 'ignore';
    if (sequence !== this.#last + 1) return 'gap';
    this.#last = sequence;
    return 'deliver';
  }
}
