interface Question<T> {
  readonly answer: Promise<T>;
  readonly taken: AbortController;
  waiting: number;
}

/**
 * Lets those who ask the same thing at the same time wait for one answer, in the order in which they came.
 *
 * A question is taken back once everybody who asked it has gone.
 */
export class SharedQuestions<T> {
  readonly #open = new Map<string, Question<T>>();

  /**
   * @param key what is asked; null for a question that nobody shares
   * @param signal the asker goes; the returned promise then rejects with its reason
   */
  async ask(key: string | null, signal: AbortSignal, put: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const question = (key === null ? undefined : this.#open.get(key)) ?? this.#put(key, put);
    question.waiting += 1;
    let leave: () => void = () => undefined;
    const gone = new Promise<never>((_resolve, reject) => {
      leave = () => {
        reject(reasonOf(signal));
      };
      signal.addEventListener('abort', leave);
    });
    try {
      return await Promise.race([question.answer, gone]);
    } finally {
      signal.removeEventListener('abort', leave);
      question.waiting -= 1;
      if (question.waiting === 0) {
        if (key !== null && this.#open.get(key) === question) this.#open.delete(key);
        question.taken.abort();
      }
    }
  }

  #put(key: string | null, put: (signal: AbortSignal) => Promise<T>): Question<T> {
    const taken = new AbortController();
    const answer = put(taken.signal);
    const question: Question<T> = { answer, taken, waiting: 0 };
    if (key !== null) {
      this.#open.set(key, question);
      const end = (): void => {
        if (this.#open.get(key) === question) this.#open.delete(key);
      };
      answer.then(end, end);
    } else {
      // Whoever asked may have gone before it fails.
      answer.catch(() => undefined);
    }
    return question;
  }
}

function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new Error('Nobody waits for the answer.');
}
