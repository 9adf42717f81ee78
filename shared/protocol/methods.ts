import * as z from 'zod';
import { roles } from './authorization.ts';
import { configurationDraftSchema, configurationSchema, secretReferenceSchema } from './configuration.ts';
import { serializedErrorSchema } from './errors.ts';
import { extensionPropertiesSchema } from './extension.ts';
import { base64Schema, jsonObjectSchema } from './json.ts';
import { identityFactsSchema, maximumPkcs12Bytes, maximumPkcs12Password } from './keychain.ts';
import {
  maximumFrameBytes,
  maximumLogEntries,
  maximumProviderMessageTimeout,
  maximumStartOptionsBytes,
} from './limits.ts';
import { logEntrySchema, logLevelSchema } from './log.ts';
import { sessionSnapshotSchema, sessionStatisticsSchema, stopReasonSchema } from './session.ts';

export interface MethodDefinition<P extends z.ZodType = z.ZodType, R extends z.ZodType = z.ZodType> {
  readonly summary: string;
  readonly params: P;
  readonly result: R;
}

export interface NotificationDefinition<P extends z.ZodType = z.ZodType> {
  readonly summary: string;
  readonly params: P;
}

function method<P extends z.ZodType, R extends z.ZodType>(
  summary: string,
  params: P,
  result: R,
): MethodDefinition<P, R> {
  return { summary, params, result };
}

function notification<P extends z.ZodType>(summary: string, params: P): NotificationDefinition<P> {
  return { summary, params };
}

const nothing = z.strictObject({});
const idOnly = z.strictObject({ id: z.uuid() });

const clientSchema = z.strictObject({
  name: z.string().min(1).max(100),
  version: z.string().min(1).max(50),
});

/** Every configuration, session and sequence number at one moment; what a client starts from. */
export const snapshotSchema = z.strictObject({
  /** Sequence of the last notification that is already contained in this snapshot. */
  sequence: z.int().nonnegative(),
  configurations: z.array(configurationSchema),
  sessions: z.array(sessionSnapshotSchema),
});
export type Snapshot = z.infer<typeof snapshotSchema>;

/** Every request of the endpoint: name, parameters, result. Who may make it stands in `authorization.ts`. */
export const methods = {
  hello: method(
    'Opens the conversation: agrees on a protocol version and names both sides. Must be the first request.',
    z.strictObject({
      protocol: z.strictObject({ oldest: z.int().positive(), newest: z.int().positive() }),
      client: clientSchema,
    }),
    z.strictObject({
      protocol: z.int().positive(),
      /** What this client may do without anybody being asked for a password. */
      role: z.enum(roles),
      extension: z.strictObject({ identifier: z.string(), version: z.string(), build: z.string() }),
      developerMode: z.boolean(),
      pid: z.int().positive(),
    }),
  ),
  'extension.list': method(
    'The extensions this helper runs, with their provider registrations.',
    nothing,
    z.strictObject({ extensions: z.array(extensionPropertiesSchema) }),
  ),
  'events.subscribe': method(
    'Returns a snapshot and from then on sends every later change as a notification, in order.',
    nothing,
    snapshotSchema,
  ),
  'configurations.list': method(
    'Every stored configuration that the caller may see.',
    nothing,
    z.strictObject({ configurations: z.array(configurationSchema) }),
  ),
  'configurations.load': method(
    'One configuration as it is stored now.',
    idOnly,
    z.strictObject({ configuration: configurationSchema }),
  ),
  'configurations.save': method(
    'Creates or replaces a configuration and stores the secrets sent with it, all or nothing.',
    z.strictObject({
      configuration: configurationDraftSchema,
      /** Revision the caller last saw; null creates. Any other than the stored one fails with configurationStale. */
      expectedRevision: z.int().positive().nullable(),
      /** New secrets by reference, in base64. Each must be listed in the configuration's `secretReferences`. */
      secrets: z.record(secretReferenceSchema, base64Schema).default({}),
    }),
    z.strictObject({ configuration: configurationSchema }),
  ),
  'configurations.remove': method(
    'Stops the session with configurationRemoved and deletes the configuration and the secrets only it references.',
    idOnly,
    nothing,
  ),
  'keychain.importIdentity': method(
    'Imports the private key and certificates of a PKCS#12 file. The reference is kept for an hour, and for as long as a configuration names it.',
    z.strictObject({
      data: base64Schema.max(Math.ceil(maximumPkcs12Bytes / 3) * 4),
      password: z.string().max(maximumPkcs12Password),
    }),
    z.strictObject({ reference: secretReferenceSchema, identity: identityFactsSchema }),
  ),
  'session.start': method(
    'Begins a session; returns once it is connecting. The result of the start comes as sessions.changed.',
    z.strictObject({
      id: z.uuid(),
      options: jsonObjectSchema
        .refine((value) => JSON.stringify(value).length <= maximumStartOptionsBytes, {
          message: `must not be larger than ${String(maximumStartOptionsBytes)} bytes as JSON`,
        })
        .nullable()
        .default(null),
      /** Agrees to stop sessions whose routes overlap, with reason superceded (contract M3). */
      supersede: z.boolean().default(false),
    }),
    nothing,
  ),
  'session.stop': method('Begins to stop a session with reason userInitiated.', idOnly, nothing),
  'session.statistics': method(
    'Traffic of a running session; null when it does not run.',
    idOnly,
    z.strictObject({ statistics: sessionStatisticsSchema.nullable() }),
  ),
  'session.lastDisconnectError': method(
    'Why the last run ended; null when it ended as asked or never ran.',
    idOnly,
    z.strictObject({ reason: stopReasonSchema.nullable(), error: serializedErrorSchema.nullable() }),
  ),
  'session.sendProviderMessage': method(
    'Hands bytes to the running provider and returns its answer.',
    z.strictObject({
      id: z.uuid(),
      message: base64Schema.max(maximumFrameBytes),
      /** Milliseconds the provider has. */
      timeout: z.int().positive().max(maximumProviderMessageTimeout),
    }),
    z.strictObject({ reply: base64Schema.nullable() }),
  ),
  'log.read': method(
    'The newest log entries, oldest first; with `follow`, later ones arrive as log.entry.',
    z.strictObject({
      limit: z.int().positive().max(maximumLogEntries).default(200),
      level: logLevelSchema.default('info'),
      follow: z.boolean().default(false),
    }),
    z.strictObject({ entries: z.array(logEntrySchema) }),
  ),
} as const;

/** Every notification the endpoint sends. Those with a `sequence` are numbered without gaps over one subscription. */
export const notifications = {
  'sessions.changed': notification(
    'A session changed its status or one of its facts.',
    z.strictObject({ sequence: z.int().positive(), session: sessionSnapshotSchema }),
  ),
  'configurations.changed': notification(
    'A configuration was created, replaced or removed; null when removed.',
    z.strictObject({
      sequence: z.int().positive(),
      id: z.uuid(),
      configuration: configurationSchema.nullable(),
    }),
  ),
  'session.providerMessage': notification(
    'A provider sent bytes to its clients.',
    z.strictObject({ sequence: z.int().positive(), id: z.uuid(), message: base64Schema }),
  ),
  'session.displayMessage': notification(
    'A provider asks that a text be shown to the person.',
    z.strictObject({ sequence: z.int().positive(), id: z.uuid(), text: z.string().max(1000) }),
  ),
  'log.entry': notification('A new log entry, after log.read with follow.', logEntrySchema),
} as const;

export type MethodName = keyof typeof methods;
/** What a caller may pass: fields with a default may be left out. */
export type MethodParams<M extends MethodName> = z.input<(typeof methods)[M]['params']>;
/** What a handler receives: validated, defaults filled in. */
export type MethodRequest<M extends MethodName> = z.output<(typeof methods)[M]['params']>;
export type MethodResult<M extends MethodName> = z.output<(typeof methods)[M]['result']>;
export type NotificationName = keyof typeof notifications;
export type NotificationParams<N extends NotificationName> = z.output<(typeof notifications)[N]['params']>;

export const methodNames = Object.keys(methods).filter((name): name is MethodName => name in methods);
export const notificationNames = Object.keys(notifications).filter(
  (name): name is NotificationName => name in notifications,
);
