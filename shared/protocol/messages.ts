import * as z from 'zod';

/** Ids that our clients number their requests with. */
const idSchema = z.int().nonnegative();

/** JSON-RPC 2.0: a request, with parameters by name only. */
export const requestMessageSchema = z.strictObject({
  jsonrpc: z.literal('2.0'),
  id: idSchema,
  method: z.string().max(100),
  params: z.record(z.string(), z.unknown()).default({}),
});
export type RequestMessage = z.infer<typeof requestMessageSchema>;

/** JSON-RPC 2.0: a notification, with parameters by name only. */
export const notificationMessageSchema = z.strictObject({
  jsonrpc: z.literal('2.0'),
  method: z.string().max(100),
  params: z.record(z.string(), z.unknown()).default({}),
});
export type NotificationMessage = z.infer<typeof notificationMessageSchema>;

/** JSON-RPC 2.0: the answer to a request. `error.data` is a `SerializedError` when the endpoint's own code threw it. */
export const responseMessageSchema = z.union([
  z.strictObject({ jsonrpc: z.literal('2.0'), id: idSchema, result: z.unknown() }),
  z.strictObject({
    jsonrpc: z.literal('2.0'),
    id: idSchema.nullable(),
    error: z.strictObject({ code: z.int(), message: z.string(), data: z.unknown().optional() }),
  }),
]);
export type ResponseMessage = z.infer<typeof responseMessageSchema>;

/** What a client may receive. The endpoint never sends requests. */
export const messageToClientSchema = z.union([responseMessageSchema, notificationMessageSchema]);
export type MessageToClient = z.infer<typeof messageToClientSchema>;

/** What the endpoint may receive. */
export const messageToServerSchema = z.union([requestMessageSchema, notificationMessageSchema]);
export type MessageToServer = z.infer<typeof messageToServerSchema>;

const decoder = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();

/**
 * Reads the payload of one frame as JSON.
 *
 * @throws {TypeError | SyntaxError} it is not UTF-8, or not JSON
 */
export function decodePayload(payload: Uint8Array): unknown {
  const value: unknown = JSON.parse(decoder.decode(payload));
  return value;
}

/** Writes a message as the payload of one frame. */
export function encodePayload(message: object): Uint8Array {
  return encoder.encode(JSON.stringify(message));
}
