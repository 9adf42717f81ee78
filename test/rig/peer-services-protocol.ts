import * as z from 'zod';

const dnsRecordsSchema = z.record(z.string(), z.array(z.string()));

export const peerServicesOptionsSchema = z.strictObject({
  /** Text of every page, `/from` excepted, which says from which address it was asked. */
  page: z.string(),
  dns: z.record(z.string(), z.strictObject({ addresses: z.array(z.string()), records: dnsRecordsSchema })),
});
export type PeerServicesOptions = z.infer<typeof peerServicesOptionsSchema>;

export const requestSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('setRecords'),
    id: z.int(),
    server: z.string(),
    records: dnsRecordsSchema,
  }),
  z.strictObject({ kind: z.literal('takeQueries'), id: z.int(), server: z.string() }),
]);
export type Request = z.infer<typeof requestSchema>;

export const replySchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('ready') }),
  z.strictObject({
    kind: z.literal('reply'),
    id: z.int(),
    queries: z.array(
      z.strictObject({
        name: z.string(),
        type: z.string(),
        transport: z.enum(['udp', 'tcp']),
        from: z.string(),
      }),
    ),
  }),
]);
export type Reply = z.infer<typeof replySchema>;
