import * as z from 'zod';
import { extensionPropertiesSchema, type Registration } from '@sallyport/shared/protocol/extension.ts';
import { defineCommand } from '../command.ts';
import { formatTime } from '../format/quantity.ts';
import { visible } from '../format/visible.ts';

export const extensionListCommand = defineCommand({
  path: ['extension', 'list'],
  summary: 'List the system extensions with their providers',
  description: [
    'For each extension: identifier, version, process, and how many provider classes of which type it has registered and how many of their instances run.',
  ],
  arguments: [],
  options: [],
  json: { schema: z.strictObject({ extensions: z.array(extensionPropertiesSchema) }), isStream: false },
  input: z.object({}),
  run: async (cli) => {
    const client = await cli.client();
    const { extensions } = await client.call('extension.list', {});
    const { bold, yellow } = cli.style;
    const lines = extensions.flatMap((extension) => [
      `${bold(visible(extension.bundleIdentifier))} ${visible(extension.bundleShortVersion)} (${visible(extension.bundleVersion)}), ` +
        `pid ${String(extension.pid)} since ${formatTime(extension.startedAt)}` +
        (extension.developerMode ? `, ${yellow('developer mode')}` : ''),
      ...extension.registrations.map((registration) => `  ${registrationText(registration)}`),
    ]);
    cli.print(lines.length === 0 ? 'There is no system extension.' : lines.join('\n'), { extensions });
  },
});

/** The helper's log says the same at each lookup (contract L9). */
export function registrationText({ found, active, identifier, type }: Registration): string {
  return `Found ${String(found)} (${String(active)} active) registrations for ${visible(identifier)} (${type})`;
}
