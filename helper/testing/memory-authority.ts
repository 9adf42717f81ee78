import type { Authority, AuthorityAnswer, AuthorityQuestion } from '../endpoint/authority.ts';

/** The in-memory twin of polkit: the test is the rules and the person. */
export class MemoryAuthority implements Authority {
  /** Every question, in order. */
  readonly questions: AuthorityQuestion[] = [];
  /** What is answered; a promise keeps the dialog open. */
  decide: (question: AuthorityQuestion) => AuthorityAnswer | Promise<AuthorityAnswer>;

  /** @param decide says no to everything unless told */
  constructor(
    decide: (question: AuthorityQuestion) => AuthorityAnswer | Promise<AuthorityAnswer> = () => 'no',
  ) {
    this.decide = decide;
  }

  /** As polkit's defaults are: an active session may use tunnels, and change them with a password. */
  static desktop(): MemoryAuthority {
    return new MemoryAuthority(({ actionId, interactive }) =>
      actionId.endsWith('.use') ? 'yes' : interactive ? 'no' : 'challenge',
    );
  }

  /** Gives each uid a role, without a password; any other uid is asked for one that it does not have. */
  static byUid(roles: Readonly<Record<number, 'container' | 'administrator'>>): MemoryAuthority {
    return new MemoryAuthority(({ subject, actionId, interactive }) => {
      const role = roles[subject.uid];
      if (role === 'administrator' || (role === 'container' && actionId.endsWith('.use'))) return 'yes';
      return interactive ? 'no' : 'challenge';
    });
  }

  async check(question: AuthorityQuestion): Promise<AuthorityAnswer> {
    this.questions.push(question);
    const { signal } = question;
    if (signal?.aborted === true) return 'dismissed';
    const taken = new Promise<AuthorityAnswer>((resolve) => {
      signal?.addEventListener('abort', () => {
        resolve('dismissed');
      });
    });
    return await Promise.race([this.decide(question), taken]);
  }
}
