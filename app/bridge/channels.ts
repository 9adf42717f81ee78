import * as z from 'zod';
import { configurationSchema } from '@sallyport/shared/protocol/configuration.ts';
import { serializedErrorSchema } from '@sallyport/shared/protocol/errors.ts';
import { sessionStatisticsSchema } from '@sallyport/shared/protocol/session.ts';
import { maximumImportBytes } from './limits.ts';
import { appStateSchema } from './state.ts';

/**
 * The bridge between the sandboxed window and the app's main process: every call and event, with its schema.
 *
 * Preload and main are both made from this table. Main checks what the window sends, preload checks what main
 * sends; nothing else crosses.
 */

interface CallDefinition<P extends z.ZodType = z.ZodType, R extends z.ZodType = z.ZodType> {
  readonly params: P;
  readonly result: R;
}

function call<P extends z.ZodType, R extends z.ZodType>(params: P, result: R): CallDefinition<P, R> {
  return { params, result };
}

/** What happened to a request of the person: done, or an error to show. */
function outcome<R extends z.ZodType>(value: R) {
  return z.discriminatedUnion('ok', [
    z.strictObject({ ok: z.literal(true), value }),
    z.strictObject({ ok: z.literal(false), error: serializedErrorSchema }),
  ]);
}

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: z.infer<typeof serializedErrorSchema> };

const nothing = z.strictObject({});
const idOnly = z.strictObject({ id: z.uuid() });

/** Why a file was not imported; shown in full. */
export const importRefusalSchema = z.strictObject({
  file: z.string().max(500),
  problems: z
    .array(
      z.strictObject({
        /** 1-based; null when the file as a whole is at fault. */
        line: z.int().positive().nullable(),
        reason: z.string().max(4000),
      }),
    )
    .min(1)
    .max(100),
  /** The file is refused for its scripts alone; it can be imported without them. */
  canDropScripts: z.boolean(),
});
export type ImportRefusal = z.infer<typeof importRefusalSchema>;

export const importResultSchema = z.discriminatedUnion('status', [
  z.strictObject({
    status: z.literal('imported'),
    id: z.uuid(),
    name: configurationSchema.shape.name,
    /** What was left out or deserves a word. */
    notes: z.array(z.string().max(1000)).max(100),
  }),
  z.strictObject({ status: z.literal('refused'), refusal: importRefusalSchema }),
]);
export type ImportResult = z.infer<typeof importResultSchema>;

/** Requests from the window to main. */
export const calls = {
  readState: call(nothing, appStateSchema),
  connect: call(
    z.strictObject({
      id: z.uuid(),
      /** The person agreed that sessions whose routes overlap are stopped. */
      supersede: z.boolean(),
    }),
    outcome(z.null()),
  ),
  disconnect: call(idOnly, outcome(z.null())),
  readStatistics: call(idOnly, outcome(sessionStatisticsSchema.nullable())),
  importFile: call(
    z.strictObject({
      /** The file's own name, never a path. */
      name: z.string().min(1).max(255),
      bytes: z.instanceof(Uint8Array).refine((bytes) => bytes.byteLength <= maximumImportBytes),
      withoutScripts: z.boolean(),
    }),
    outcome(importResultSchema),
  ),
  rename: call(z.strictObject({ id: z.uuid(), name: z.string().max(1000) }), outcome(z.null())),
  remove: call(idOnly, outcome(z.null())),
  /** Tries the endpoint again at once. */
  reconnect: call(nothing, z.null()),
} as const;

/** Events from main to the window. */
export const events = {
  stateChanged: appStateSchema,
  /** A provider's word for the person. */
  displayMessage: z.strictObject({ id: z.uuid(), text: z.string().max(1000) }),
  /** A connect that was asked for outside the window was refused. */
  connectRefused: z.strictObject({ id: z.uuid(), error: serializedErrorSchema }),
  /** Show this tunnel: a notification or the tray was clicked. */
  tunnelSelected: idOnly,
} as const;

export type CallName = keyof typeof calls;
export type CallParams<N extends CallName> = z.input<(typeof calls)[N]['params']>;
export type CallRequest<N extends CallName> = z.output<(typeof calls)[N]['params']>;
export type CallResult<N extends CallName> = z.output<(typeof calls)[N]['result']>;
export type EventName = keyof typeof events;
export type EventPayload<N extends EventName> = z.output<(typeof events)[N]>;

export const callNames = Object.keys(calls).filter((name): name is CallName => name in calls);
export const eventNames = Object.keys(events).filter((name): name is EventName => name in events);

type CallTable = {
  readonly [N in CallName]: {
    readonly params: z.ZodType<CallRequest<N>>;
    readonly result: z.ZodType<CallResult<N>>;
  };
};
type EventTable = { readonly [N in EventName]: z.ZodType<EventPayload<N>> };

/** The tables once more, in a form whose entry for a name has that name's types. */
export const callTable: CallTable = calls;
export const eventTable: EventTable = events;

/** Names of the Electron channels that carry the table. */
export function callChannel(name: CallName): string {
  return `sallyport.call.${name}`;
}
export function eventChannel(name: EventName): string {
  return `sallyport.event.${name}`;
}

/** What the window sees as `window.sallyport`. */
export type SallyportBridge = {
  readonly [N in CallName]: (params: CallParams<N>) => Promise<CallResult<N>>;
} & {
  /** Calls the listener with every later event until the returned function is called. */
  readonly on: <N extends EventName>(name: N, listener: (payload: EventPayload<N>) => void) => () => void;
};
