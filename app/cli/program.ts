import { Command, Option } from 'commander';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { allCommands } from './all-commands.ts';
import { groupSummaries, optionsOf } from './command-options.ts';
import type { CommandDefinition } from './command.ts';

/** Runs a command with arguments and options by name. */
export type RunCommand = (
  definition: CommandDefinition,
  input: Readonly<Record<string, unknown>>,
) => Promise<void>;

export interface ProgramOutput {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
}

/** The parser. It throws commander's errors instead of ending the process. */
export function createProgram(run: RunCommand, output: ProgramOutput): Command {
  const program = new Command('sallyport')
    .description('Connect and look after tunnels')
    .version(sallyportManifest.version, '-V, --version', 'Print the version');
  prepare(program, output);
  const groups = new Map<string, Command>();
  for (const definition of allCommands()) {
    const [first = '', second] = definition.path;
    if (second === undefined) {
      addCommand(program, first, definition, run, output);
      continue;
    }
    let group = groups.get(first);
    if (group === undefined) {
      group = program.command(first).description(groupSummaries[first] ?? '');
      prepare(group, output);
      groups.set(first, group);
    }
    addCommand(group, second, definition, run, output);
  }
  return program;
}

function prepare(command: Command, { out, error }: ProgramOutput): void {
  command
    .exitOverride()
    .configureOutput({ writeOut: out, writeErr: error, outputError: () => undefined })
    .helpOption('-h, --help', 'Print this help')
    .helpCommand(false)
    .showSuggestionAfterError(true);
}

function addCommand(
  parent: Command,
  word: string,
  definition: CommandDefinition,
  run: RunCommand,
  output: ProgramOutput,
): void {
  const command = parent
    .command(word)
    .summary(definition.summary)
    .description([`${definition.summary}.`, ...definition.description].join('\n\n'));
  prepare(command, output);
  for (const { name, isRequired, description } of definition.arguments) {
    command.argument(isRequired ? `<${name}>` : `[${name}]`, description);
  }
  for (const option of optionsOf(definition)) command.addOption(new Option(option.flags, option.description));
  command.action(async () => {
    const words = definition.arguments.map(({ name }, index): [string, unknown] => [
      camelCase(name),
      command.processedArgs[index],
    ]);
    await run(definition, {
      ...command.opts(),
      ...Object.fromEntries(words.filter(([, word]) => word !== undefined)),
    });
  });
}

function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}
