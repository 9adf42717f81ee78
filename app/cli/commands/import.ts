import * as z from 'zod';
import { readWireGuardFile, saveWireGuardImport } from '@sallyport/shared/client/import-wireguard-conf.ts';
import { configurationSchema } from '@sallyport/shared/protocol/configuration.ts';
import { defineCommand } from '../command.ts';
import { visible } from '../format/visible.ts';
import { readConfFile } from '../read-conf-file.ts';
import { UsageError } from '../usage-error.ts';

export const importCommand = defineCommand({
  path: ['import'],
  summary: 'Add a tunnel from a WireGuard configuration file',
  description: [
    'Reads a .conf file as wg-quick(8) has it and stores it with the helper: its keys in the secret store, where nobody can read them back, the rest as a new tunnel. Every key of the file is either honoured or refused with its line.',
    'Everybody on this computer may then use the tunnel; with --only-me nobody but you and administrators.',
    'PreUp, PostUp, PreDown and PostDown are never run. A file that has them is refused, unless --without-scripts imports it without those lines.',
  ],
  arguments: [
    {
      name: 'file',
      isRequired: true,
      description: 'A .conf file, or - for standard input',
      completion: 'file',
    },
  ],
  options: [
    {
      flags: '--name <name>',
      description: 'The tunnel’s name; by default the file’s without .conf',
      completion: 'none',
    },
    { flags: '--only-me', description: 'Only you, and administrators, may see and use the tunnel' },
    { flags: '--without-scripts', description: 'Leave out the lines that would run programs' },
  ],
  json: {
    schema: z.strictObject({
      configuration: configurationSchema,
      /** Script lines that were left out. */
      droppedLines: z.array(z.strictObject({ line: z.int().positive(), key: z.string() })),
    }),
    isStream: false,
  },
  input: z.object({
    file: z.string(),
    name: z.string().optional(),
    onlyMe: z.boolean().default(false),
    withoutScripts: z.boolean().default(false),
  }),
  run: async (cli, { file: path, name, onlyMe, withoutScripts }) => {
    if (path === '-' && name === undefined) {
      throw new UsageError('Standard input has no name to give the tunnel. Add --name NAME.');
    }
    const { bytes, fileName } = await readConfFile(cli.host, path);
    const imported = readWireGuardFile({ bytes, fileName, name, dropScripts: withoutScripts });
    const client = await cli.clientForChange();
    const manager = await saveWireGuardImport(client, imported, {
      scope: onlyMe ? 'user' : 'system',
    });
    const { configuration } = await client.call('configurations.load', { id: manager.id });
    const droppedLines = imported.droppedLines.map(({ line, key }) => ({ line, key }));
    for (const { line, key } of droppedLines)
      cli.note(`Line ${String(line)} was left out: ${key} is never run.`);
    const server = configuration.protocolConfiguration.serverAddress;
    cli.print(
      `Imported “${visible(configuration.name)}”${server === null ? '' : `, server ${visible(server)}`}. ` +
        `To connect: sallyport connect ${shellWord(configuration.name)}`,
      { configuration, droppedLines },
    );
  },
});

/** A name as a shell wants it. */
function shellWord(name: string): string {
  return /^[\w.@%+:,-]+$/.test(name) ? name : `'${visible(name).replaceAll("'", `'\\''`)}'`;
}
