import type { Authority, AuthorityAnswer, AuthorityQuestion } from '../endpoint/authority.ts';
import type { CategoryLog } from '../log/logger.ts';
import type { PolkitAnswer, PolkitQuestion } from '../native/binding.d.ts';
import { native } from '../native/load.ts';

/** The native binding's part of it. */
export interface PolkitConnection {
  /** @throws {Error} a question that cannot be asked */
  check(id: number, question: PolkitQuestion): void;
  cancel(id: number): void;
  stop(): void;
}

/** Opens one; each question is answered through `onAnswer` at most once. */
export type PolkitStart = (onAnswer: (answer: PolkitAnswer) => void) => PolkitConnection;

/**
 * Dialogs that all callers together may have open; over it, a question is asked without one and is `busy` if that needs
 * one.
 */
export const maximumDialogs = 16;
/** Dialogs of one uid, so that nobody can keep the others from being asked. */
export const maximumDialogsPerUid = 4;
/** Questions without a dialog that polkitd has before it at once; the others wait for their turn. */
export const maximumQuestions = 64;

/** Milliseconds after which a question without a dialog is `absent`. */
const answerDeadline = 5000;
/** Milliseconds after which a dialog that nobody answers closes. */
const dialogDeadline = 300_000;

/** polkit takes a uid as a signed number of 32 bits. */
const largestUid = 2 ** 31 - 1;

interface Waiting {
  readonly id: number;
  readonly question: AuthorityQuestion;
  readonly isDialog: boolean;
  /** Settles the question and forgets it. */
  readonly settle: (answer: AuthorityAnswer) => void;
}

/**
 * polkit, polkit(8), on the system bus.
 *
 * It is asked about the process, by pid, start and uid, and finds out by itself whether the uid has an active local
 * session. What it kept after a password (`auth_admin_keep`) is polkit's to remember: nothing is cached here.
 */
export class PolkitAuthority implements Authority {
  readonly #log: CategoryLog;
  readonly #connection: PolkitConnection;
  /** Before polkitd. */
  readonly #asked = new Map<number, Waiting>();
  readonly #queue: Waiting[] = [];
  #lastId = 0;
  /** What was logged last about polkit's absence; null once it answered. */
  #absence: string | null = null;
  /** Actions about which polkit refused to decide last time. */
  readonly #refused = new Set<string>();
  #isStopped = false;

  constructor(log: CategoryLog, start: PolkitStart = (onAnswer) => native().Polkit.start(onAnswer)) {
    this.#log = log;
    this.#connection = start((answer) => {
      this.#take(answer);
    });
  }

  check(question: AuthorityQuestion): Promise<AuthorityAnswer> {
    const { signal } = question;
    if (this.#isStopped) return Promise.resolve('absent');
    if (signal?.aborted === true) return Promise.resolve('dismissed');
    // It has no such user, so it would allow nothing; that is no reason to say that it is not there.
    if (question.subject.uid > largestUid) return Promise.resolve('no');

    // Unsigned 32 bits in the binding; four billion questions later the first ones are long answered.
    this.#lastId = (this.#lastId + 1) >>> 0;
    const id = this.#lastId;
    const isDialog = question.interactive && this.#mayOpenDialog(question.subject.uid);
    const { promise, resolve } = Promise.withResolvers<AuthorityAnswer>();
    const takeBack = (): void => {
      this.#drop(waiting, 'dismissed');
    };
    const timer = setTimeout(
      () => {
        if (!isDialog) this.#absent('polkit did not answer in time.');
        this.#drop(waiting, isDialog ? 'dismissed' : 'absent');
      },
      isDialog ? dialogDeadline : answerDeadline,
    );
    timer.unref();
    const waiting: Waiting = {
      id,
      question,
      isDialog,
      settle: (answer) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', takeBack);
        this.#asked.delete(id);
        resolve(answer);
        this.#next();
      },
    };
    signal?.addEventListener('abort', takeBack, { once: true });
    this.#queue.push(waiting);
    this.#next();
    return promise;
  }

  /** Closes every dialog; what is open is `absent`, and so is everything from now on. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#connection.stop();
    for (const waiting of [...this.#queue.splice(0), ...this.#asked.values()]) waiting.settle('absent');
  }

  /** Dialogs are asked at once, so none is in the queue. */
  #mayOpenDialog(uid: number): boolean {
    const open = [...this.#asked.values()].filter(({ isDialog }) => isDialog);
    const own = open.filter(({ question }) => question.subject.uid === uid);
    return open.length < maximumDialogs && own.length < maximumDialogsPerUid;
  }

  #questionsAsked(): number {
    return [...this.#asked.values()].filter(({ isDialog }) => !isDialog).length;
  }

  /** Asks what may be asked now. Dialogs never wait for their turn, nor does anything wait for them. */
  #next(): void {
    let index = 0;
    while (index < this.#queue.length) {
      const waiting = this.#queue[index];
      if (waiting === undefined) return;
      if (!waiting.isDialog && this.#questionsAsked() >= maximumQuestions) {
        index += 1;
        continue;
      }
      this.#queue.splice(index, 1);
      this.#ask(waiting);
    }
  }

  #ask(waiting: Waiting): void {
    const { subject, actionId } = waiting.question;
    this.#asked.set(waiting.id, waiting);
    try {
      this.#connection.check(waiting.id, { ...subject, actionId, interactive: waiting.isDialog });
    } catch (error) {
      this.#absent(String(error));
      waiting.settle('absent');
    }
  }

  /** Settles a question before polkit did. */
  #drop(waiting: Waiting, answer: AuthorityAnswer): void {
    const index = this.#queue.indexOf(waiting);
    if (index >= 0) this.#queue.splice(index, 1);
    else if (this.#asked.has(waiting.id)) this.#connection.cancel(waiting.id);
    waiting.settle(answer);
  }

  #take({ id, outcome, message }: PolkitAnswer): void {
    const waiting = this.#asked.get(id);
    // It was taken back meanwhile.
    if (waiting === undefined) return;
    if (outcome === 'failed') this.#absent(message);
    else this.#absence = null;
    const { actionId, subject } = waiting.question;
    // Said once until it decides again: without the policy file every call of every client comes here.
    if (outcome !== 'refused') this.#refused.delete(actionId);
    else if (!this.#refused.has(actionId)) {
      this.#refused.add(actionId);
      const fields = { actionId, pid: subject.pid, uid: subject.uid, reason: message };
      this.#log('warning', 'polkit refused to decide.', fields);
    }
    const isBusy = outcome === 'challenge' && waiting.question.interactive && !waiting.isDialog;
    waiting.settle(isBusy ? 'busy' : answers[outcome]);
  }

  /** Said once until polkit answers again or something else is wrong: every call of every client asks. */
  #absent(reason: string): void {
    if (this.#absence === reason) return;
    this.#absence = reason;
    this.#log('error', 'polkit cannot be asked, so only root may do anything.', { reason });
  }
}

const answers: Readonly<Record<PolkitAnswer['outcome'], AuthorityAnswer>> = {
  authorized: 'yes',
  challenge: 'challenge',
  denied: 'no',
  dismissed: 'dismissed',
  // For instance a process that ended meanwhile, or an action whose policy is not installed.
  refused: 'no',
  failed: 'absent',
};
