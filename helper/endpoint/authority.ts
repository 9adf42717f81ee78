/** The process that asks, as the authority looks it up again by itself. */
export interface AuthoritySubject {
  readonly pid: number;
  readonly uid: number;
  /** When the process began, in clock ticks since boot: a pid that is used again has another one, proc(5). */
  readonly startTime: string;
}

/**
 * What the authority says.
 *
 * `challenge`: somebody would have to be asked, and nobody was; `busy`: nobody was, because too many dialogs are open;
 * `dismissed`: the person closed the dialog; `absent`: there is no authority, so that nobody but root may do anything.
 */
export type AuthorityAnswer = 'yes' | 'no' | 'challenge' | 'busy' | 'dismissed' | 'absent';

export interface AuthorityQuestion {
  readonly subject: AuthoritySubject;
  /** For instance `org.sallyport.helper.use`. */
  readonly actionId: string;
  /** Whether a person may be asked for a password, which may take minutes. */
  readonly interactive: boolean;
  /** Takes the question back; a dialog closes. */
  readonly signal?: AbortSignal;
}

/** Who decides what a uid may do: polkit, or nobody. */
export interface Authority {
  /** Never rejects: what cannot be asked is `absent`. */
  check(question: AuthorityQuestion): Promise<AuthorityAnswer>;
}
