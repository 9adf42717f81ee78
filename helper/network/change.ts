import * as z from 'zod';
import { cidrSchema, ipAddressSchema } from '@sallyport/shared/formats/cidr.ts';

/** A name is not enough: after a crash another program may own an interface of the same name. */
export const interfaceSchema = z.strictObject({
  name: z.string().regex(/^[^/\s]{1,15}$/),
  index: z.int().min(1),
});
export type InterfaceReference = z.infer<typeof interfaceSchema>;

const tableSchema = z.int().min(1).max(4_294_967_295);

/** A route as rtnetlink(7) has it; `unreachable` refuses, `throw` sends the lookup on to the next rule. */
export const routeChangeSchema = z.strictObject({
  kind: z.literal('route'),
  table: tableSchema,
  destination: cidrSchema,
  type: z.enum(['unicast', 'unreachable', 'throw']),
  /** Null for the types that lead nowhere. */
  interface: interfaceSchema.nullable(),
  gateway: ipAddressSchema.nullable(),
  metric: z.int().min(0).max(4_294_967_295),
});
export type RouteChange = z.infer<typeof routeChangeSchema>;

/** A policy rule, ip-rule(8). */
export const ruleChangeSchema = z.strictObject({
  kind: z.literal('rule'),
  family: z.union([z.literal(4), z.literal(6)]),
  priority: z.int().min(1).max(32_765),
  table: tableSchema,
  /** The rule holds for packets that do not bear this mark; null: for all. */
  notFwmark: z.int().min(1).max(4_294_967_295).nullable(),
  /** Results with a prefix of at most this length are as good as none. */
  suppressPrefixLength: z.int().min(0).max(128).nullable(),
});
export type RuleChange = z.infer<typeof ruleChangeSchema>;

/** Contents of a path that we replace: nothing, a file, or a symbolic link. */
export const fileStateSchema = z.discriminatedUnion('type', [
  /** `hadDirectory`: whether the directory that would hold it is there. */
  z.strictObject({ type: z.literal('absent'), hadDirectory: z.boolean() }),
  z.strictObject({
    type: z.literal('file'),
    content: z.base64(),
    mode: z.int().min(0).max(0o7777),
    uid: z.int().min(0),
    gid: z.int().min(0),
  }),
  z.strictObject({ type: z.literal('symlink'), target: z.string().min(1).max(4096) }),
]);
export type FileState = z.infer<typeof fileStateSchema>;

/**
 * One fact of the system that we want to hold. It is data, so that the journal can keep it; `apply-change.ts`
 * makes it true and undoes it.
 */
export const changeSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('mtu'), interface: interfaceSchema, mtu: z.int().min(68).max(65_535) }),
  z.strictObject({ kind: z.literal('up'), interface: interfaceSchema }),
  z.strictObject({ kind: z.literal('address'), interface: interfaceSchema, address: cidrSchema }),
  routeChangeSchema,
  ruleChangeSchema,
  z.strictObject({
    kind: z.literal('sysctl'),
    /** Path below /proc/sys. With slashes, since an interface's name may hold a dot. */
    name: z.string().regex(/^net\/(?!.*\.\.\/)[^\0\n]+$/),
    value: z.string().max(100),
    /** Containers mount /proc/sys read-only; where the tunnel mostly works without, failing is worse. */
    optional: z.boolean(),
  }),
  z.strictObject({
    kind: z.literal('resolved'),
    interface: interfaceSchema,
    servers: z.array(ipAddressSchema),
    /** `routingOnly` is resolved's `~`: names below it go to these servers but it completes no short names. */
    domains: z.array(z.strictObject({ name: z.string(), routingOnly: z.boolean() })),
    defaultRoute: z.boolean(),
  }),
  z.strictObject({
    kind: z.literal('file'),
    path: z.string().startsWith('/'),
    /** Text in UTF-8; the file belongs to root and all may read it. */
    content: z.string().max(65_536),
    /** The service that reads the file only when told. */
    reload: z.enum(['networkManager']).nullable(),
  }),
]);
export type Change = z.infer<typeof changeSchema>;
export type ChangeOf<K extends Change['kind']> = Extract<Change, { kind: K }>;

/**
 * What was there before a change, which is all its inverse needs.
 *
 * - `nothing`: the inverse removes what was made.
 * - `same`: it held already and is somebody else's; nothing is made and nothing undone.
 * - `value`: a number or word that goes back.
 * - `file`: what the path held.
 */
export const beforeSchema = z.discriminatedUnion('was', [
  z.strictObject({ was: z.literal('nothing') }),
  z.strictObject({ was: z.literal('same') }),
  z.strictObject({ was: z.literal('value'), value: z.string().max(100) }),
  z.strictObject({ was: z.literal('file'), state: fileStateSchema }),
]);
export type Before = z.infer<typeof beforeSchema>;

/**
 * The place in the system that a change takes. Two changes of one place replace each other; of different places
 * they stand side by side.
 */
export function placeOf(change: Change): string {
  switch (change.kind) {
    case 'mtu':
    case 'up':
    case 'resolved':
      return `${change.kind} ${String(change.interface.index)}`;
    case 'address':
      return `address ${String(change.interface.index)} ${change.address}`;
    case 'route':
      return `route ${String(change.table)} ${change.destination} ${String(change.metric)}`;
    case 'rule':
      return `rule ${JSON.stringify([
        change.family,
        change.priority,
        change.table,
        change.notFwmark,
        change.suppressPrefixLength,
      ])}`;
    case 'sysctl':
      return `sysctl ${change.name}`;
    case 'file':
      return `file ${change.path}`;
  }
}

/** Whether two changes of one place want the same. */
export function sameChange(left: Change, right: Change): boolean {
  return JSON.stringify(canonical(left)) === JSON.stringify(canonical(right));
}

/** Words for a person, to be continued with what happened to it. */
export function describe(change: Change): string {
  switch (change.kind) {
    case 'mtu':
      return `MTU ${String(change.mtu)} of ${change.interface.name}`;
    case 'up':
      return `interface ${change.interface.name}`;
    case 'address':
      return `address ${change.address} of ${change.interface.name}`;
    case 'route':
      return `${change.type === 'unicast' ? '' : `${change.type} `}route to ${change.destination}${
        change.interface === null ? '' : ` through ${change.interface.name}`
      } in table ${String(change.table)}`;
    case 'rule':
      return `IPv${String(change.family)} rule ${String(change.priority)} for table ${String(change.table)}`;
    case 'sysctl':
      return `sysctl ${change.name}`;
    case 'resolved':
      return `DNS of ${change.interface.name} in systemd-resolved`;
    case 'file':
      return change.path;
  }
}

/** Files outlive a reboot, all else does not. */
export function outlivesReboot(change: Change): boolean {
  return change.kind === 'file';
}

function canonical(change: Change): unknown {
  return Object.entries(change).sort(([a], [b]) => (a < b ? -1 : 1));
}
