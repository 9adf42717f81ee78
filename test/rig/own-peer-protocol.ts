import * as z from 'zod';

const configurationSchema = z.object({
  privateKey: z.string(),
  listenPort: z.int(),
  clients: z.array(
    z.object({
      publicKey: z.string(),
      presharedKey: z.string().optional(),
      allowedIPs: z.array(z.string()),
    }),
  ),
});

export const ownPeerRequestSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('configure'), id: z.int(), configuration: configurationSchema }),
  z.object({ kind: z.literal('statistics'), id: z.int() }),
]);
export type OwnPeerRequest = z.infer<typeof ownPeerRequestSchema>;

/** Id 0 says that the process is ready. */
export const ownPeerReplySchema = z.object({
  id: z.int(),
  statistics: z.array(
    z.object({
      publicKey: z.string(),
      endpoint: z.string().nullable(),
      latestHandshake: z.number(),
      received: z.number(),
      sent: z.number(),
    }),
  ),
});
export type OwnPeerReply = z.infer<typeof ownPeerReplySchema>;
