import * as z from 'zod';
import { defaultStartTimeout } from '@sallyport/shared/client/tunnel-provider-session.ts';
import { TunnelProviderManager } from '@sallyport/shared/client/tunnel-provider-manager.ts';
import { isError } from '@sallyport/shared/protocol/errors.ts';
import type { Cli } from '../cli.ts';
import { defineCommand, tunnelArgument } from '../command.ts';
import { visible } from '../format/visible.ts';
import { resolveTunnel } from '../resolve-name.ts';
import { listTunnels, tunnelOf, tunnelSchema } from '../tunnel.ts';

const longestWait = 86_400;

export const connectCommand = defineCommand({
  path: ['connect'],
  summary: 'Connect a tunnel and wait until packets can flow',
  description: [
    `Waits ${String(defaultStartTimeout / 1000)} seconds at most, then exits with 5; the helper goes on trying until you disconnect. With --no-wait it exits as soon as the start has begun. Ctrl-C ends the wait, not the tunnel.`,
    'A tunnel whose routes are held by another one is refused, unless --replace stops that one.',
  ],
  arguments: [tunnelArgument],
  options: [
    { flags: '--wait <seconds>', description: 'How long to wait', completion: 'none' },
    { flags: '--no-wait', description: 'Do not wait' },
    { flags: '--replace', description: 'Stop running tunnels that have the same routes' },
  ],
  json: { schema: tunnelSchema, isStream: false },
  input: z.object({
    name: z.string(),
    wait: z
      .union([z.literal(false), z.literal(true), z.string()])
      .default(true)
      .transform((value, context) => {
        if (typeof value === 'boolean') return value ? defaultStartTimeout : null;
        const seconds = Number(value);
        if (/^\d+(\.\d+)?$/.test(value) && seconds > 0 && seconds <= longestWait) return seconds * 1000;
        context.addIssue({
          code: 'custom',
          message: `--wait takes seconds, more than 0 and at most ${String(longestWait)}.`,
        });
        return z.NEVER;
      }),
    replace: z.boolean().default(false),
  }),
  run: async (cli, { name, wait, replace }) => {
    const client = await cli.clientForChange();
    const { configuration } = resolveTunnel(await listTunnels(client), name);
    const manager = new TunnelProviderManager(client, configuration.id);
    await manager.load();
    const shown = `“${visible(configuration.name)}”`;
    if (wait !== null && cli.isInteractive) cli.note(`Connecting ${shown} …`);
    await start(cli, manager, wait, replace);
    const text = wait === null ? `Connecting ${shown}.` : `${shown} is connected.`;
    cli.print(text, tunnelOf(client, configuration));
  },
});

async function start(
  cli: Cli,
  manager: TunnelProviderManager,
  wait: number | null,
  supersede: boolean,
): Promise<void> {
  try {
    await manager.session.start(
      null,
      wait === null ? { wait: false, supersede } : { timeout: wait, supersede },
    );
  } catch (error) {
    if (isError(error, 'EndpointError', 'sessionConflict')) {
      cli.note('Another tunnel has the same routes. To stop it first, add --replace.');
    }
    throw error;
  }
}
