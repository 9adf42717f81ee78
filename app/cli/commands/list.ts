import * as z from 'zod';
import { defineCommand } from '../command.ts';
import { statusCell, statusDetail } from '../format/session-text.ts';
import { renderTable } from '../format/table.ts';
import { visible } from '../format/visible.ts';
import { listTunnels, tunnelSchema } from '../tunnel.ts';

export const listCommand = defineCommand({
  path: ['list'],
  summary: 'List the tunnels',
  description: ['Lists every tunnel that you may see, with its status and server.'],
  arguments: [],
  options: [{ flags: '--names', description: 'Print the names alone, one a line' }],
  json: { schema: z.strictObject({ tunnels: z.array(tunnelSchema) }), isStream: false },
  input: z.object({ names: z.boolean().default(false) }),
  run: async (cli, { names }) => {
    const tunnels = await listTunnels(await cli.client());
    if (names) {
      const text = tunnels.map(({ configuration }) => visible(configuration.name)).join('\n');
      if (text !== '') cli.print(text, { tunnels });
      return;
    }
    const { style } = cli;
    const rows = tunnels.map(({ configuration, session }) => [
      { text: visible(configuration.name), paint: style.bold },
      statusCell(session, configuration.isEnabled, style),
      { text: visible(configuration.protocolConfiguration.serverAddress ?? '') },
      { text: statusDetail(session, cli.host.now()), paint: style.dim },
    ]);
    const header = ['NAME', 'STATUS', 'SERVER', ''].map((text) => ({ text, paint: style.dim }));
    cli.print(
      tunnels.length === 0
        ? 'There are no tunnels. To add one: sallyport import FILE'
        : renderTable([header, ...rows]),
      { tunnels },
    );
  },
});
