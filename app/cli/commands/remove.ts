import * as z from 'zod';
import { defineCommand, tunnelArgument } from '../command.ts';
import { visible } from '../format/visible.ts';
import { resolveTunnel } from '../resolve-name.ts';
import { listTunnels } from '../tunnel.ts';

export const removeCommand = defineCommand({
  path: ['remove'],
  summary: 'Disconnect a tunnel and delete it with its keys',
  description: ['The keys cannot be brought back; keep the .conf file if you may want the tunnel again.'],
  arguments: [tunnelArgument],
  options: [],
  json: {
    schema: z.strictObject({ removed: z.strictObject({ id: z.uuid(), name: z.string() }) }),
    isStream: false,
  },
  input: z.object({ name: z.string() }),
  run: async (cli, input) => {
    const client = await cli.clientForChange();
    const { configuration } = resolveTunnel(await listTunnels(client), input.name);
    const { id, name } = configuration;
    await client.call('configurations.remove', { id });
    cli.print(`Removed “${visible(name)}”.`, { removed: { id, name } });
  },
});
