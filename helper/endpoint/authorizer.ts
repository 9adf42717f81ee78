import { EndpointError } from '@sallyport/shared/protocol/errors.ts';
import {
  actionId,
  actions,
  authorizationTable,
  includesRole,
  unattendedMethods,
  type ActionName,
  type Role,
} from '@sallyport/shared/protocol/authorization.ts';
import type { MethodName } from '@sallyport/shared/protocol/methods.ts';
import type { CategoryLog } from '../log/logger.ts';
import type { Authority, AuthorityAnswer } from './authority.ts';
import { accessDenied, type Denial } from './authorization.ts';
import type { Peer } from './caller.ts';
import { FloodGate, floodWindow, whoOf } from './flood-gate.ts';
import { SharedQuestions } from './shared-questions.ts';

export interface AuthorizerOptions {
  readonly authority: Authority;
  readonly extensionIdentifier: string;
  /** Developer mode: whoever may speak at all is its owner, and nobody is asked. */
  readonly isDeveloper: boolean;
  readonly log: CategoryLog;
  /** Whether the pinned process lives and runs what it ran. */
  readonly isUnchanged: (connection: number) => boolean;
  /** Unix milliseconds or any clock that does not go back. */
  readonly now: () => number;
}

/** A verified process and its connection. */
export interface Subject {
  readonly connection: number;
  readonly peer: Peer;
}

/** The process at the other end runs something else by now; its connection must go. */
export class ChangedProcessError extends EndpointError {
  constructor() {
    super('accessDenied', 'This program is no longer the one that connected. Connect again.');
  }
}

/**
 * How long, in milliseconds, a positive answer to an action of the role container counts for its connection.
 *
 * The app asks for statistics every second while its window is open, and each question costs polkit a run of its
 * rules. Longer would let a session that is no longer active go on. An administrator's answer never counts twice: how
 * long a password is remembered is for polkit to say.
 */
export const answerLifetime = 5000;

/**
 * Questions that may be open at once and be a dialog on somebody's screen. Others are not counted, nor is there a bound
 * for all uids together here: what some leave unanswered must keep nobody else from using tunnels.
 */
const questionsPerConnection = 4;
const questionsPerUid = 8;

interface Known {
  /** Until when an action counts as allowed. */
  readonly allowedUntil: Map<ActionName, number>;
  /** What was logged last. */
  readonly logged: Map<ActionName, AuthorityAnswer>;
  /** Aborts every open question when the connection ends. */
  readonly end: AbortController;
  readonly questions: SharedQuestions<AuthorityAnswer>;
  open: number;
}

/** Whether who was authorized for a method may use tunnels as well. */
export function includesUse(method: MethodName): boolean {
  const action = authorizationTable[method];
  if (action === null) return false;
  const implied: readonly string[] = actions[action].implies;
  return action === 'use' || implied.includes('use');
}

/** Decides at every call whether its caller may make it, by asking the authority. */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #known = new Map<number, Known>();
  readonly #openByUid = new Map<number, number>();
  readonly #notes: FloodGate<ActionName>;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#notes = new FloodGate(({ uid, count, last }) => {
      options.log(
        'notice',
        `${String(count)} more decisions about ${whoOf(uid)} were made within ${String(floodWindow / 1000)} s; the last one: ${last}.`,
        { uid, count },
      );
    });
  }

  /** Connections that are remembered. */
  get size(): number {
    return this.#known.size;
  }

  /**
   * Settles once the caller may call the method; a person may be asked for a password meanwhile, unless the
   * method is one that programs call by themselves.
   *
   * @param signal takes the question back
   * @throws {EndpointError} `accessDenied`, `tooManyRequests`
   * @throws {ChangedProcessError}
   */
  async authorize(subject: Subject, method: MethodName, signal: AbortSignal): Promise<void> {
    const action = authorizationTable[method];
    if (action === null || this.isAlwaysAllowed(subject)) return;
    const answer = await this.#ask(subject, action, !unattendedMethods.has(method), signal);
    if (answer === 'yes') return;
    throw accessDenied(method, actionId(this.#options.extensionIdentifier, action), answer);
  }

  /**
   * What the caller may do without anybody being asked.
   *
   * @param isWhole whether an administrator is to be told from a container, which takes another question
   */
  async role(subject: Subject, isWhole: boolean): Promise<Role> {
    if (this.isAlwaysAllowed(subject)) return 'administrator';
    const signal = new AbortController().signal;
    if ((await this.#ask(subject, 'use', false, signal)) !== 'yes') return 'observer';
    return isWhole && (await this.mayConfigure(subject)) ? 'administrator' : 'container';
  }

  /** Whether the caller may change configurations without anybody being asked. */
  async mayConfigure(subject: Subject): Promise<boolean> {
    if (this.isAlwaysAllowed(subject)) return true;
    return (await this.#ask(subject, 'configure', false, new AbortController().signal)) === 'yes';
  }

  /** Root, and in developer mode everybody who may speak. */
  isAlwaysAllowed({ peer }: Subject): boolean {
    return peer.uid === 0 || this.#options.isDeveloper;
  }

  /** Takes back what is being asked on behalf of a connection that has ended, and forgets it. */
  forget(connection: number): void {
    this.#known.get(connection)?.end.abort();
    this.#known.delete(connection);
  }

  async #ask(
    subject: Subject,
    action: ActionName,
    interactive: boolean,
    signal: AbortSignal,
  ): Promise<AuthorityAnswer | Denial> {
    // Even when the answer is known: it was about the program that ran then. First, so that a connection that has ended
    // is not remembered again.
    this.#checkUnchanged(subject);
    const known = this.#knownOf(subject.connection);
    const until = known.allowedUntil.get(action);
    if (until !== undefined && this.#options.now() < until) return 'yes';
    const { pid, uid, startTime } = subject.peer;
    if (startTime === null) return 'unidentified';
    const isShared = actions[action].role === 'container' || !interactive;
    const answer = await known.questions.ask(
      isShared ? `${action} ${String(interactive)}` : null,
      AbortSignal.any([signal, known.end.signal]),
      (taken) => {
        const check = (): Promise<AuthorityAnswer> =>
          this.#options.authority.check({
            subject: { pid, uid, startTime },
            actionId: actionId(this.#options.extensionIdentifier, action),
            interactive,
            signal: taken,
          });
        return interactive ? this.#limited(subject, known, check) : check();
      },
    );
    // Typing a password takes a while, in which the program may have become another one.
    this.#checkUnchanged(subject);
    if (answer === 'yes' && includesRole('container', actions[action].role)) {
      known.allowedUntil.set(action, this.#options.now() + answerLifetime);
    }
    if (interactive) this.#note(subject, known, action, answer);
    return answer;
  }

  async #limited<T>({ peer: { uid } }: Subject, known: Known, ask: () => Promise<T>): Promise<T> {
    const ofUid = this.#openByUid.get(uid) ?? 0;
    if (known.open >= questionsPerConnection || ofUid >= questionsPerUid) {
      throw new EndpointError(
        'tooManyRequests',
        'Too many questions about permission are open at once. Answer those on the screen, then try again.',
        { details: { retryAfter: 1000 } },
      );
    }
    known.open += 1;
    this.#openByUid.set(uid, ofUid + 1);
    try {
      return await ask();
    } finally {
      known.open -= 1;
      const left = (this.#openByUid.get(uid) ?? 1) - 1;
      if (left === 0) this.#openByUid.delete(uid);
      else this.#openByUid.set(uid, left);
    }
  }

  #checkUnchanged({ connection }: Subject): void {
    if (!this.#options.isUnchanged(connection)) throw new ChangedProcessError();
  }

  /** Logs a decision once, and again only when it has become another one. */
  #note({ connection, peer }: Subject, known: Known, action: ActionName, answer: AuthorityAnswer): void {
    if (known.logged.get(action) === answer) return;
    known.logged.set(action, answer);
    if (!this.#notes.admits(peer.uid, action)) return;
    const { pid, uid, executable } = peer;
    const fields = { connection, pid, uid, executable, action, answer };
    if (answer === 'yes') this.#options.log('info', `A client was allowed to ${action}.`, fields);
    else this.#options.log('notice', `A client was not allowed to ${action}: ${answer}.`, fields);
  }

  #knownOf(connection: number): Known {
    const known = this.#known.get(connection) ?? {
      allowedUntil: new Map<ActionName, number>(),
      logged: new Map<ActionName, AuthorityAnswer>(),
      end: new AbortController(),
      questions: new SharedQuestions<AuthorityAnswer>(),
      open: 0,
    };
    this.#known.set(connection, known);
    return known;
  }
}
