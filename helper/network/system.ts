import type { IPFamily } from '@sallyport/shared/formats/cidr.ts';
import type { ChangeOf, FileState, InterfaceReference, RouteChange, RuleChange } from './change.ts';

export interface Link extends InterfaceReference {
  readonly mtu: number;
  readonly up: boolean;
}

/** Why the system refused; anything else is `FAILED`. */
export type SystemErrorCode = 'EXISTS' | 'NOT_FOUND' | 'PERMISSION' | 'BUSY' | 'UNAVAILABLE' | 'FAILED';

export class SystemError extends Error {
  override readonly name = 'SystemError';
  readonly code: SystemErrorCode;

  constructor(code: SystemErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

export function isSystemError(error: unknown, code: SystemErrorCode): boolean {
  return error instanceof SystemError && error.code === code;
}

/**
 * What the helper asks of the operating system's network, without any decision in it.
 *
 * Every method rejects with a {@link SystemError}: `EXISTS` for an addition that is there already, `NOT_FOUND` for
 * a removal of what is not there or a place that does not exist.
 */
export interface NetworkSystem {
  links(): Promise<Link[]>;
  setMtu(link: InterfaceReference, mtu: number): Promise<void>;
  setUp(link: InterfaceReference, up: boolean): Promise<void>;

  /** CIDRs in canonical text, host bits kept. */
  addresses(link: InterfaceReference): Promise<string[]>;
  addAddress(link: InterfaceReference, address: string): Promise<void>;
  removeAddress(link: InterfaceReference, address: string): Promise<void>;

  /** Unicast, unreachable and throw routes of a family in a table. */
  routes(family: IPFamily, table: number): Promise<RouteFact[]>;
  addRoute(route: RouteChange): Promise<void>;
  /** Removes this route only, not one that differs in type or interface. */
  removeRoute(route: RouteChange): Promise<void>;

  rules(family: IPFamily): Promise<RuleFact[]>;
  addRule(rule: RuleChange): Promise<void>;
  removeRule(rule: RuleChange): Promise<void>;

  /** The value without its final newline, or null where there is no such file. */
  readSysctl(name: string): Promise<string | null>;
  writeSysctl(name: string, value: string): Promise<void>;

  /** The path itself: a link is not followed. */
  readFile(path: string): Promise<FileState>;
  /** What a reader gets, links followed; null if nothing is readable there. */
  readText(path: string): Promise<string | null>;
  /**
   * Puts a state in the place of whatever is there, at once where the file system allows it, else (a bind mount)
   * by overwriting the content. Makes the directory for a file where there is none, and removes it for a state of
   * `absent` that had none.
   *
   * @param temporary path in the same directory that may be used and is left free
   */
  replaceFile(path: string, state: FileState, temporary: string): Promise<void>;

  /** Removes what a crash may have left of {@link replaceFile}. */
  removeTemporary(path: string): Promise<void>;

  /** Whether systemd-resolved answers; it is not started for the question. */
  resolvedRuns(): Promise<boolean>;
  setResolved(settings: ChangeOf<'resolved'>): Promise<void>;
  /** Gives a link's DNS back to resolved's own ideas. */
  revertResolved(link: InterfaceReference): Promise<void>;
  /** Tells NetworkManager to read its configuration again; nothing where it does not run. */
  reloadNetworkManager(): Promise<void>;
}

/** A route that exists; fields that our own routes do not have are left out. */
export interface RouteFact {
  readonly destination: string;
  readonly table: number;
  readonly type: string;
  readonly metric: number;
  /** Index of the interface, or null. */
  readonly interface: number | null;
  readonly gateway: string | null;
}

/** A rule that exists; `plain` is false where it has selectors that ours never have. */
export interface RuleFact {
  readonly family: IPFamily;
  readonly priority: number;
  readonly table: number;
  readonly fwmark: number | null;
  readonly invert: boolean;
  readonly suppressPrefixLength: number | null;
  readonly plain: boolean;
}
