import * as z from 'zod';
import type { ReconnectingClient } from '@sallyport/shared/client/reconnecting-client.ts';
import type { Cli } from '../cli.ts';
import { defineCommand, tunnelArgument } from '../command.ts';
import { formatTime } from '../format/quantity.ts';
import { statusCell, statusDetail, statusWord } from '../format/session-text.ts';
import { renderTable } from '../format/table.ts';
import { visible } from '../format/visible.ts';
import { resolveTunnel } from '../resolve-name.ts';
import { listTunnels, tunnelOf, tunnelSchema, type Tunnel } from '../tunnel.ts';
import { untilInterrupted } from '../until-interrupted.ts';

export const statusCommand = defineCommand({
  path: ['status'],
  summary: 'Say where a tunnel, or each of them, stands',
  description: [
    'With --watch it goes on and prints a line at each change until Ctrl-C, also over a restart of the helper; with --json too, one object a line.',
  ],
  arguments: [{ ...tunnelArgument, isRequired: false }],
  options: [{ flags: '-w, --watch', description: 'Go on and print each change' }],
  json: {
    schema: z.union([
      z.strictObject({ tunnels: z.array(tunnelSchema) }),
      tunnelSchema,
      z.strictObject({ helper: z.literal('lost') }),
    ]),
    isStream: true,
  },
  input: z.object({ name: z.string().optional(), watch: z.boolean().default(false) }),
  run: async (cli, { name, watch }) => {
    const client = await cli.client();
    const tunnels = await listTunnels(client);
    const chosen = name === undefined ? tunnels : [resolveTunnel(tunnels, name)];
    if (watch) await watchTunnels(cli, client, name === undefined ? null : chosen);
    else printTunnels(cli, chosen);
  },
});

function printTunnels(cli: Cli, tunnels: readonly Tunnel[]): void {
  const { style } = cli;
  const rows = tunnels.map(({ configuration, session }) => [
    { text: visible(configuration.name), paint: style.bold },
    statusCell(session, configuration.isEnabled, style),
    { text: statusDetail(session, cli.host.now()), paint: style.dim },
  ]);
  cli.print(tunnels.length === 0 ? 'There are no tunnels.' : renderTable(rows), { tunnels });
}

/** @param chosen null for every tunnel, also those that are added later */
async function watchTunnels(
  cli: Cli,
  client: ReconnectingClient,
  chosen: readonly Tunnel[] | null,
): Promise<void> {
  const ids = chosen === null ? null : new Set(chosen.map(({ configuration }) => configuration.id));
  const shown = new Map<string, string>();
  const show = (id: string) => {
    const configuration = client.configuration(id);
    if (configuration === undefined || (ids !== null && !ids.has(id))) return;
    const tunnel = tunnelOf(client, configuration);
    const facts = JSON.stringify([configuration.name, configuration.isEnabled, tunnel.session]);
    if (shown.get(id) === facts) return;
    shown.set(id, facts);
    cli.print(changeText(cli, tunnel), tunnel);
  };
  const showAll = () => {
    for (const { id } of client.configurations) show(id);
  };
  const listening = [
    client.on('sessionChanged', ({ configurationId }) => {
      show(configurationId);
    }),
    client.on('configurationChanged', show),
    client.on('snapshot', showAll),
    client.on('disconnected', () => {
      shown.clear();
      cli.print(cli.style.red('The helper was lost; waiting for it.'), { helper: 'lost' });
    }),
  ];
  showAll();
  await untilInterrupted(cli.host);
  for (const stop of listening) stop();
}

function changeText(cli: Cli, { configuration, session }: Tunnel): string {
  const now = cli.host.now();
  const { paint = String } = statusCell(session, configuration.isEnabled, cli.style);
  const detail = statusDetail(session, now);
  const status = paint(statusWord(session, configuration.isEnabled));
  return `${cli.style.dim(formatTime(now))} ${cli.style.bold(visible(configuration.name))} ${status}${detail === '' ? '' : ` (${detail})`}`;
}
