import type { MethodName } from './methods.ts';

/**
 * What a caller may be.
 *
 * `observer` may read status; `container` is the verified container app or its CLI and may use tunnels;
 * `administrator` may change what reroutes everyone's traffic. Each role includes the ones before it.
 */
export const roles = ['observer', 'container', 'administrator'] as const;
export type Role = (typeof roles)[number];

/** What polkit answers without a rule of the administrator's, `defaults` in polkit(8). */
export type ImplicitAuthorization = 'yes' | 'auth_admin_keep';

/** A polkit action; its id is the extension's identifier, a dot and its name here. */
export interface ActionDefinition {
  readonly role: Exclude<Role, 'observer'>;
  /** What the action is, for whoever writes rules. */
  readonly description: string;
  /** What the password dialog says. */
  readonly message: string;
  /** For uids with an active local session. */
  readonly allowActive: ImplicitAuthorization;
  /** For everyone else: over SSH, in a session in the background, or without one. */
  readonly allowAny: ImplicitAuthorization;
  /** Actions that whoever was authorized for this one is authorized for as well, so that nobody is asked twice. */
  readonly implies: readonly string[];
}

/** Every polkit action of an extension. */
export const actions = {
  use: {
    role: 'container',
    description: 'Use the tunnels of this computer',
    message: 'Authentication is required to use the tunnels of this computer.',
    allowActive: 'yes',
    allowAny: 'auth_admin_keep',
    implies: [],
  },
  configure: {
    role: 'administrator',
    description: 'Add, change and remove tunnels',
    message: 'Authentication is required to change the tunnels of this computer.',
    allowActive: 'auth_admin_keep',
    allowAny: 'auth_admin_keep',
    implies: ['use'],
  },
  'read-log': {
    role: 'administrator',
    description: 'Read the log of the tunnels',
    message: 'Authentication is required to read the log of all tunnels of this computer.',
    allowActive: 'auth_admin_keep',
    allowAny: 'auth_admin_keep',
    implies: [],
  },
} as const satisfies Readonly<Record<string, ActionDefinition>>;
export type ActionName = keyof typeof actions;

/**
 * The authorization table: the action that each method needs, and through it the role; null for what an observer may.
 *
 * Root needs no action. polkit is asked about everybody else, so that a session that is no longer active loses what it
 * may do: at every call, but a yes to a `container`'s action counts for some seconds.
 */
export const authorizationTable = {
  hello: null,
  'extension.list': null,
  'events.subscribe': null,
  'configurations.list': 'use',
  'configurations.load': 'use',
  'configurations.save': 'configure',
  'configurations.remove': 'configure',
  'keychain.importIdentity': 'configure',
  'session.start': 'use',
  'session.stop': 'use',
  'session.statistics': 'use',
  'session.lastDisconnectError': 'use',
  'session.sendProviderMessage': 'use',
  'log.read': 'read-log',
} as const satisfies Readonly<Record<MethodName, ActionName | null>>;

/**
 * Methods that programs call without anybody having asked for it, and again and again: nobody is asked for a password
 * because of them. A window that stays open in a session in the background would open one dialog after the other.
 */
export const unattendedMethods: ReadonlySet<MethodName> = new Set<MethodName>([
  'session.statistics',
  'session.lastDisconnectError',
]);

/** The role that a method needs. */
export function roleFor(method: MethodName): Role {
  const action = authorizationTable[method];
  return action === null ? 'observer' : actions[action].role;
}

/** Whether a role includes another. */
export function includesRole(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed);
}

/** polkit's name of an action, for instance `org.sallyport.helper.use`. */
export function actionId(extensionIdentifier: string, action: ActionName): string {
  return `${extensionIdentifier}.${action}`;
}
