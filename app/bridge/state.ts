import * as z from 'zod';
import { roles } from '@sallyport/shared/protocol/authorization.ts';
import { configurationSchema } from '@sallyport/shared/protocol/configuration.ts';
import { serializedErrorSchema } from '@sallyport/shared/protocol/errors.ts';
import { sessionSnapshotSchema } from '@sallyport/shared/protocol/session.ts';

/** What a person may be shown of a configuration's provider dictionary; never a key. */
export const tunnelDetailsSchema = z.strictObject({
  /** Addresses of this machine in the tunnel, as CIDR. */
  addresses: z.array(z.string().max(100)).max(1000),
  dnsServers: z.array(z.string().max(300)).max(1000),
  /** Destinations that go through the tunnel, as CIDR. */
  routes: z.array(z.string().max(100)).max(20_000),
});
export type TunnelDetails = z.infer<typeof tunnelDetailsSchema>;

/** A configuration and its session, as the window shows them. */
export const tunnelSchema = z.strictObject({
  id: z.uuid(),
  name: configurationSchema.shape.name,
  serverAddress: z.string().max(500).nullable(),
  isEnabled: z.boolean(),
  details: tunnelDetailsSchema.nullable(),
  session: sessionSnapshotSchema.nullable(),
});
export type Tunnel = z.infer<typeof tunnelSchema>;

/** Where the app stands with the system extension. */
export const extensionStateSchema = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('connecting') }),
  z.strictObject({
    state: z.literal('active'),
    version: z.string().max(50),
    developerMode: z.boolean(),
    /** What this person may do without being asked for a password; an observer is shown no tunnels. */
    role: z.enum(roles),
    /** Sessions that are up and whose tunnels this person may not see. */
    hiddenSessions: z.int().nonnegative(),
  }),
  z.strictObject({
    state: z.literal('unreachable'),
    error: serializedErrorSchema,
    /** Whether the app was built and installed, or runs from a source tree. */
    packaged: z.boolean(),
  }),
]);
export type ExtensionState = z.infer<typeof extensionStateSchema>;

/** Everything the window shows, whole: it is sent anew with each change. */
export const appStateSchema = z.strictObject({
  extension: extensionStateSchema,
  tunnels: z.array(tunnelSchema),
});
export type AppState = z.infer<typeof appStateSchema>;
