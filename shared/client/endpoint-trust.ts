/** What `lstat` says of one component of a path. */
export interface PathFacts {
  readonly kind: 'directory' | 'socket' | 'symbolicLink' | 'other';
  readonly uid: number;
  /** Permission bits with set-uid, set-gid and sticky, `0o7777`. */
  readonly mode: number;
}

/** The facts of a component, or null when there is nothing of that name. */
export type FactsOf = (component: string) => PathFacts | null;

export type TrustVerdict =
  | { readonly kind: 'trusted' }
  | { readonly kind: 'absent'; readonly component: string }
  | { readonly kind: 'refused'; readonly component: string; readonly reason: string };

const writableByOthers = 0o022;
const sticky = 0o1000;

/** Every directory on the way to an absolute path, from `/` on, and the path itself. */
export function pathComponents(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '');
  return ['/', ...names.map((_, index) => `/${names.slice(0, index + 1).join('/')}`)];
}

/**
 * Whether only root can have made the socket at a path, or put another in its place (contract E5).
 *
 * Every directory on the way belongs to root and nobody else may write to it. A sticky directory such as `/tmp` does
 * not count as safe, since anyone may create a name in it first; nor does a symbolic link. The socket itself belongs
 * to root too; that others may write to it only lets them connect, unix(7).
 */
export function judgeSystemEndpoint(path: string, factsOf: FactsOf): TrustVerdict {
  return judge(path, factsOf, (facts) => {
    if (facts.uid !== 0) return `belongs to uid ${String(facts.uid)}, not to root`;
    if (facts.kind === 'directory' && (facts.mode & writableByOthers) !== 0) {
      return 'can be written by others than root';
    }
    return null;
  });
}

/**
 * Whether only the person, or root, can have made the socket at a path; good enough for a helper of one's own.
 *
 * Sticky directories are safe here, because what lies in them, and belongs to the person, cannot be replaced by others.
 *
 * @param uid the person's own uid
 * @param overflowUid in a user namespace the uid that stands for all those it does not have, root's among them: it may
 * own the directories further up, since nobody can put a directory of ours there but we. Null outside of one
 */
export function judgeDeveloperEndpoint(
  path: string,
  uid: number,
  factsOf: FactsOf,
  overflowUid: number | null = null,
): TrustVerdict {
  return judge(path, factsOf, (facts, fromEnd) => {
    const isOwn = facts.uid === 0 || facts.uid === uid;
    if (!isOwn && (facts.uid !== overflowUid || fromEnd < 2)) {
      return `belongs to uid ${String(facts.uid)}, not to you`;
    }
    if (facts.kind !== 'directory' || (facts.mode & writableByOthers) === 0) return null;
    return (facts.mode & sticky) === 0 ? 'can be written by others' : null;
  });
}

/**
 * Reads `/proc/self/uid_map`: whether this process is in a user namespace that lacks uids, user_namespaces(7).
 *
 * @returns the overflow uid then, else null
 */
export function overflowUidOf(uidMap: string, overflowUid: number): number | null {
  return /^\s*0\s+0\s+4294967295\s*$/.test(uidMap) ? null : overflowUid;
}

function judge(
  path: string,
  factsOf: FactsOf,
  objection: (facts: PathFacts, fromEnd: number) => string | null,
): TrustVerdict {
  const components = pathComponents(path);
  for (const [index, component] of components.entries()) {
    const facts = factsOf(component);
    if (facts === null) return { kind: 'absent', component };
    const fromEnd = components.length - 1 - index;
    const expected = fromEnd === 0 ? 'socket' : 'directory';
    const reason =
      facts.kind === expected
        ? objection(facts, fromEnd)
        : facts.kind === 'symbolicLink'
          ? 'is a symbolic link'
          : `is not a ${expected}`;
    if (reason !== null) return { kind: 'refused', component, reason };
  }
  return { kind: 'trusted' };
}
