import type { Role } from '@sallyport/shared/protocol/authorization.ts';

/** What the kernel says about the process at the other end of a connection. */
export interface Peer {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** When it began, in clock ticks since boot, decimal; null when that cannot be read. */
  readonly startTime: string | null;
  /** Null when it cannot be read. */
  readonly executable: string | null;
  readonly executableOwner: number | null;
  /** Permission bits, null when they cannot be read. */
  readonly executableMode: number | null;
  /** Device and inode number of the executable, decimal; null when they cannot be read. */
  readonly executableDevice: string | null;
  readonly executableInode: string | null;
  readonly executableDeleted: boolean;
  readonly sameUserNamespace: boolean;
  readonly samePidNamespace: boolean;
}

/** Who may call; from the manifest and how the helper was started. */
export interface CallerRequirement {
  /** Absolute paths that count as the container app; empty accepts any executable. */
  readonly executables: readonly string[];
  /** Uids that may change what reroutes everyone's traffic, besides root. */
  readonly administrators: readonly number[];
  /** Developer mode: executables and namespaces are not looked at, and only `administrators` may call. */
  readonly developerMode: boolean;
}

export type CallerVerdict =
  { readonly role: Role; readonly reason: null } | { readonly role: null; readonly reason: string };

const writableByOthers = 0o022;

/**
 * Decides from kernel facts alone what a caller may be (contract E3).
 *
 * Root is administrator whatever it runs. Everyone else must run one of the required executables, which must belong
 * to root and be writable by no one else; a listed uid is then administrator, any other one observer.
 */
export function verifyCaller(peer: Peer, requirement: CallerRequirement): CallerVerdict {
  const isAdministrator = peer.uid === 0 || requirement.administrators.includes(peer.uid);
  if (requirement.developerMode) {
    return isAdministrator
      ? { role: 'administrator', reason: null }
      : refused(`uid ${String(peer.uid)} did not start this developer-mode helper`);
  }
  if (!peer.sameUserNamespace || !peer.samePidNamespace) return refused('it runs in another namespace');
  if (peer.uid === 0) return { role: 'administrator', reason: null };
  if (requirement.executables.length > 0) {
    const problem = executableProblem(peer, requirement.executables);
    if (problem !== null) return refused(problem);
  }
  return { role: isAdministrator ? 'administrator' : 'observer', reason: null };
}

function executableProblem(peer: Peer, executables: readonly string[]): string | null {
  if (peer.executable === null || peer.executableOwner === null || peer.executableMode === null) {
    return 'its executable cannot be read';
  }
  if (peer.executableDeleted) return 'its executable was deleted or replaced';
  if (!executables.includes(peer.executable)) return 'its executable is not the container app';
  if (peer.executableOwner !== 0 || (peer.executableMode & writableByOthers) !== 0) {
    return 'its executable can be written by others than root';
  }
  return null;
}

function refused(reason: string): CallerVerdict {
  return { role: null, reason };
}
