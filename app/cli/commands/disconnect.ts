import * as z from 'zod';
import { TunnelProviderManager } from '@sallyport/shared/client/tunnel-provider-manager.ts';
import { defineCommand, tunnelArgument } from '../command.ts';
import { visible } from '../format/visible.ts';
import { resolveTunnel } from '../resolve-name.ts';
import { listTunnels, tunnelOf, tunnelSchema, type Tunnel } from '../tunnel.ts';
import { UsageError } from '../usage-error.ts';

export const disconnectCommand = defineCommand({
  path: ['disconnect'],
  summary: 'Disconnect a tunnel and wait until it is down',
  description: [
    'Without a name it disconnects the only tunnel that is up, or on its way there. Disconnecting one that is down already is no error.',
  ],
  arguments: [{ ...tunnelArgument, isRequired: false }],
  options: [],
  json: {
    schema: z.strictObject({
      /** Null when no name was given and no tunnel was up. */
      disconnected: tunnelSchema.nullable(),
    }),
    isStream: false,
  },
  input: z.object({ name: z.string().optional() }),
  run: async (cli, { name }) => {
    const client = await cli.clientForChange();
    const tunnels = await listTunnels(client);
    const tunnel = name === undefined ? onlyActive(tunnels) : resolveTunnel(tunnels, name);
    if (tunnel === null) {
      cli.print('No tunnel is connected.', { disconnected: null });
      return;
    }
    const manager = new TunnelProviderManager(client, tunnel.configuration.id);
    await manager.load();
    await manager.session.stop();
    cli.print(`“${visible(tunnel.configuration.name)}” is disconnected.`, {
      disconnected: tunnelOf(client, tunnel.configuration),
    });
  },
});

function onlyActive(tunnels: readonly Tunnel[]): Tunnel | null {
  const active = tunnels.filter(({ session }) => {
    if (session === null) return false;
    const isDown = session.status === 'disconnected' || session.status === 'invalid';
    return !isDown || session.nextAttemptDate !== null;
  });
  if (active.length > 1) {
    const names = active.map(({ configuration }) => `“${visible(configuration.name)}”`).join(', ');
    throw new UsageError(`Several tunnels are up: ${names}. Name the one to disconnect.`);
  }
  return active[0] ?? null;
}
