import type { Authority, AuthorityAnswer, AuthorityQuestion } from '../endpoint/authority.ts';

/** What the twin was asked; the signal is left out. */
export type AuthorityRecord = Omit<AuthorityQuestion, 'signal'>;

/**
 * The in-memory twin of polkit. Root may do everything; of everybody else it says `challenge` until told otherwise,
 * as polkit does where a password would be needed and no agent runs.
 */
export class MemoryAuthority implements Authority {
  /** Every question, in order. */
  readonly asked: AuthorityRecord[] = [];
  readonly #answers = new Map<string, AuthorityAnswer>();
  readonly #open = new Map<string, Set<() => void>>();
  #isAbsent = false;

  /** Answers a uid from now on, for one action's id or all; a dialog that {@link hold} keeps open gets it too. */
  answer(uid: number, answer: AuthorityAnswer, actionId = '*'): void {
    const key = keyOf(uid, actionId);
    this.#answers.set(key, answer);
    for (const release of this.#open.get(key) ?? []) release();
    this.#open.delete(key);
  }

  /** Leaves interactive questions of a uid about an action open until {@link answer} or their signal. */
  hold(uid: number, actionId: string): void {
    this.#open.set(keyOf(uid, actionId), new Set());
  }

  /** Whether there is an authority at all; without one even root's questions are `absent`. */
  setAbsent(isAbsent: boolean): void {
    this.#isAbsent = isAbsent;
  }

  /** How many dialogs are open. */
  get openDialogs(): number {
    return [...this.#open.values()].reduce((sum, dialogs) => sum + dialogs.size, 0);
  }

  async check({ signal, ...question }: AuthorityQuestion): Promise<AuthorityAnswer> {
    const isTakenBack = (): boolean => signal?.aborted === true;
    if (isTakenBack()) return 'dismissed';
    this.asked.push(question);
    // As over a bus: never in the same turn.
    await Promise.resolve();
    const dialogs = this.#open.get(keyOf(question.subject.uid, question.actionId));
    if (question.interactive && dialogs !== undefined && !this.#isAbsent) {
      const isAnswered = await untilReleased(dialogs, signal);
      if (!isAnswered) return 'dismissed';
    }
    return isTakenBack() ? 'dismissed' : this.#now(question);
  }

  #now({ subject, actionId }: AuthorityRecord): AuthorityAnswer {
    if (this.#isAbsent) return 'absent';
    const told =
      this.#answers.get(keyOf(subject.uid, actionId)) ?? this.#answers.get(keyOf(subject.uid, '*'));
    return told ?? (subject.uid === 0 ? 'yes' : 'challenge');
  }
}

function keyOf(uid: number, actionId: string): string {
  return `${String(uid)} ${actionId}`;
}

/** False if the signal came first. */
async function untilReleased(dialogs: Set<() => void>, signal: AbortSignal | undefined): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const release = (): void => {
    resolve(true);
  };
  const takeBack = (): void => {
    resolve(false);
  };
  dialogs.add(release);
  signal?.addEventListener('abort', takeBack, { once: true });
  try {
    return await promise;
  } finally {
    dialogs.delete(release);
    signal?.removeEventListener('abort', takeBack);
  }
}
