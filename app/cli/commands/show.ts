import * as z from 'zod';
import { sessionStatisticsSchema } from '@sallyport/shared/protocol/session.ts';
import { defineCommand, tunnelArgument } from '../command.ts';
import { renderTable } from '../format/table.ts';
import { describeTunnel } from '../format/tunnel-details.ts';
import { resolveTunnel } from '../resolve-name.ts';
import { listTunnels, tunnelSchema } from '../tunnel.ts';

export const showCommand = defineCommand({
  path: ['show'],
  summary: 'Show everything about a tunnel, except its keys',
  description: [
    'Shows a tunnel’s settings, where its session stands, its traffic, and how its last run ended. Private and preshared keys cannot be read back by anyone.',
  ],
  arguments: [tunnelArgument],
  options: [],
  json: {
    schema: z.strictObject({ ...tunnelSchema.shape, statistics: sessionStatisticsSchema.nullable() }),
    isStream: false,
  },
  input: z.object({ name: z.string() }),
  run: async (cli, { name }) => {
    const client = await cli.client();
    const tunnel = resolveTunnel(await listTunnels(client), name);
    const { statistics } = await client.call('session.statistics', { id: tunnel.configuration.id });
    const rows = describeTunnel(tunnel, statistics, cli.host.now());
    cli.print(
      renderTable(rows.map(([label, value]) => [{ text: label, paint: cli.style.dim }, { text: value }])),
      {
        ...tunnel,
        statistics,
      },
    );
  },
});
