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

/** One program that counts as the container app. */
export interface RequiredExecutable {
  /** Absolute, without links. */
  readonly path: string;
  /** Hexadecimal digest of its content; null accepts any that root put there. */
  readonly sha256: string | null;
}

/** Who may call; from the manifest and how the helper was started. */
export interface CallerRequirement {
  /** Empty accepts any executable. */
  readonly executables: readonly RequiredExecutable[];
  /** Developer mode: the one uid that may call, while executables and namespaces are not looked at; null otherwise. */
  readonly developerUid: number | null;
}

export type CallerVerdict =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly reason: string }
  /** Everything that the kernel says fits; the file itself has to be looked at, `judgeExecutable`. */
  | { readonly kind: 'inspect'; readonly executable: RequiredExecutable };

/** What the file at a required path is now. */
export interface ExecutableFile {
  /** Device and inode number, decimal. */
  readonly device: string;
  readonly inode: string;
  readonly owner: number;
  /** Permission bits with set-user-ID and set-group-ID. */
  readonly mode: number;
  /** Directory on the way to it that is a link, or that somebody else than root owns or can write; null if none is. */
  readonly weakDirectory: string | null;
  /** SHA-256 of the content in hexadecimal; null when nobody asked, or when the file changed while it was read. */
  readonly digest: string | null;
}

const writableByOthers = 0o022;
const setIdBits = 0o6000;

/**
 * Decides from kernel facts alone whether a caller may speak at all (contract E3).
 *
 * Root may, whatever it runs. Everyone else must run one of the required executables; what it may then do is for
 * polkit to say.
 */
export function verifyCaller(peer: Peer, requirement: CallerRequirement): CallerVerdict {
  const { developerUid, executables } = requirement;
  if (developerUid !== null) {
    return peer.uid === developerUid
      ? { kind: 'accepted' }
      : refused(`uid ${String(peer.uid)} did not start this developer-mode helper`);
  }
  if (!peer.sameUserNamespace || !peer.samePidNamespace) return refused('it runs in another namespace');
  if (peer.uid === 0 || executables.length === 0) return { kind: 'accepted' };
  if (peer.executable === null || peer.executableOwner === null || peer.executableMode === null) {
    return refused('its executable cannot be read');
  }
  if (peer.executableDeleted) return refused('its executable was deleted or replaced');
  const executable = executables.find(({ path }) => path === peer.executable);
  if (executable === undefined) return refused('its executable is not the container app');
  const problem = modeProblem(peer.executableOwner, peer.executableMode);
  return problem === null ? { kind: 'inspect', executable } : refused(problem);
}

/**
 * Decides about the file that a caller runs.
 *
 * @param file what lies at the required path, null when that cannot be read
 */
export function judgeExecutable(
  peer: Peer,
  required: RequiredExecutable,
  file: ExecutableFile | null,
): CallerVerdict {
  if (file === null || peer.executableDevice === null || peer.executableInode === null) {
    return refused('its executable cannot be read');
  }
  if (file.device !== peer.executableDevice || file.inode !== peer.executableInode) {
    return refused('its executable was deleted or replaced');
  }
  const problem = modeProblem(file.owner, file.mode);
  if (problem !== null) return refused(problem);
  if (file.weakDirectory !== null) {
    return refused(`its executable can be replaced by others than root, through ${file.weakDirectory}`);
  }
  if (required.sha256 !== null && file.digest !== required.sha256) {
    return refused('the content of its executable is not that of the activated container app');
  }
  return { kind: 'accepted' };
}

function modeProblem(owner: number, mode: number): string | null {
  if (owner !== 0 || (mode & writableByOthers) !== 0) {
    return 'its executable can be written by others than root';
  }
  // Such a program runs with rights that are not its caller's, so that the uid says nothing.
  return (mode & setIdBits) === 0 ? null : 'its executable changes the user or group it runs as';
}

function refused(reason: string): CallerVerdict {
  return { kind: 'refused', reason };
}
