import * as z from 'zod';
import type { ReconnectingClient } from '@sallyport/shared/client/reconnecting-client.ts';
import { configurationSchema, type Configuration } from '@sallyport/shared/protocol/configuration.ts';
import { sessionSnapshotSchema } from '@sallyport/shared/protocol/session.ts';

/** A tunnel as `--json` prints it: its configuration, which holds no secret, and where its session stands. */
export const tunnelSchema = z.strictObject({
  configuration: configurationSchema,
  /** Null when nothing is known of it. */
  session: sessionSnapshotSchema.nullable(),
});
export type Tunnel = z.infer<typeof tunnelSchema>;

/** Every tunnel that the caller may see, by name. */
export async function listTunnels(client: ReconnectingClient): Promise<Tunnel[]> {
  const { configurations } = await client.call('configurations.list', {});
  return configurations
    .map((configuration) => tunnelOf(client, configuration))
    .sort((a, b) => a.configuration.name.localeCompare(b.configuration.name));
}

export function tunnelOf(client: ReconnectingClient, configuration: Configuration): Tunnel {
  return { configuration, session: client.session(configuration.id) ?? null };
}
