import * as z from 'zod';
import { TunnelProviderManager } from '@sallyport/shared/client/tunnel-provider-manager.ts';
import { validateTunnelName } from '@sallyport/shared/formats/tunnel-name.ts';
import { configurationSchema } from '@sallyport/shared/protocol/configuration.ts';
import { defineCommand, tunnelArgument } from '../command.ts';
import { visible } from '../format/visible.ts';
import { resolveTunnel } from '../resolve-name.ts';
import { listTunnels } from '../tunnel.ts';

export const renameCommand = defineCommand({
  path: ['rename'],
  summary: 'Give a tunnel another name',
  description: ['A running session goes on as it is.'],
  arguments: [
    tunnelArgument,
    { name: 'new-name', isRequired: true, description: 'The new name', completion: 'none' },
  ],
  options: [],
  json: { schema: z.strictObject({ configuration: configurationSchema }), isStream: false },
  input: z.object({ name: z.string(), newName: z.string() }),
  run: async (cli, { name, newName }) => {
    const valid = validateTunnelName(newName);
    const client = await cli.clientForChange();
    const { configuration } = resolveTunnel(await listTunnels(client), name);
    const manager = new TunnelProviderManager(client, configuration.id);
    await manager.load();
    manager.name = valid;
    await manager.save();
    const renamed = await client.call('configurations.load', { id: configuration.id });
    cli.print(`Renamed “${visible(configuration.name)}” to “${visible(valid)}”.`, renamed);
  },
});
