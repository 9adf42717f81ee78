import type { CommandDefinition, OptionDefinition } from './command.ts';

export const jsonOption: OptionDefinition = {
  flags: '--json',
  description: 'Print JSON, in the shapes of docs/cli.md',
};

export const askPasswordOption: OptionDefinition = {
  flags: '--no-ask-password',
  description: 'Never ask for an administrator’s password on this terminal',
};

/** Options of a command, with those that every command has that speaks to the helper. */
export function optionsOf(definition: CommandDefinition): readonly OptionDefinition[] {
  return definition.json === null
    ? definition.options
    : [...definition.options, jsonOption, askPasswordOption];
}

/** Words of a group of commands, and what they are about. */
export const groupSummaries: Readonly<Record<string, string>> = {
  extension: 'The system extensions, which run the tunnels',
};
