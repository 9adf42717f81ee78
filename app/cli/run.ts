import { CommanderError } from 'commander';
import { FormatError } from '@sallyport/shared/formats/format-error.ts';
import { serializeError, type SerializedError } from '@sallyport/shared/protocol/errors.ts';
import { Cli } from './cli.ts';
import { exitCodeOf, exitCodes, type ExitCode } from './exit-code.ts';
import { createStyle } from './format/style.ts';
import { visible } from './format/visible.ts';
import type { Host } from './host.ts';
import { createProgram, type RunCommand } from './program.ts';
import { UsageError } from './usage-error.ts';

/**
 * Carries out one command line.
 *
 * @param words without the program's own name
 * @returns the exit code; everything was printed
 */
export async function run(words: readonly string[], host: Host): Promise<ExitCode> {
  // Known before anything is parsed, since the parser's own errors have to be printed in this form too.
  const json = beforeSeparator(words).includes('--json');
  const runCommand: RunCommand = async (definition, input) => {
    const cli = new Cli(host, { json, askPassword: input['askPassword'] !== false });
    try {
      await definition.run(cli, input);
    } finally {
      await cli.close();
    }
  };
  const program = createProgram(runCommand, {
    out: (text) => {
      host.stdout.write(text);
    },
    error: (text) => {
      host.stderr.write(text);
    },
  });
  try {
    await program.parseAsync([...words], { from: 'user' });
    return exitCodes.done;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.done;
    const thrown = error instanceof CommanderError ? usageErrorOf(error) : error;
    if (thrown === null) return exitCodes.usage;
    report(thrown, json, host);
    return exitCodeOf(thrown);
  }
}

/** Null when help was printed in place of an error, as for a group without its command. */
function usageErrorOf(error: CommanderError): UsageError | null {
  if (error.code === 'commander.help') return null;
  const text = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
  return new UsageError(`${text.charAt(0).toUpperCase()}${text.slice(1)}. See: sallyport --help`);
}

function report(error: unknown, json: boolean, host: Host): void {
  const serialized = serialize(error);
  if (json) {
    host.stdout.write(`${JSON.stringify({ error: serialized })}\n`);
    return;
  }
  const { red } = createStyle(host.stderr.isTTY, host.environment);
  host.stderr.write(`${red('sallyport:')} ${visible(serialized.message)}\n`);
}

function serialize(error: unknown): SerializedError {
  const serialized = serializeError(error);
  if (!(error instanceof FormatError)) return serialized;
  const problems = error.problems.map(({ code, line, reason }) => ({ code, line, reason }));
  return { ...serialized, details: { file: error.file, problems } };
}

function beforeSeparator(words: readonly string[]): readonly string[] {
  const separator = words.indexOf('--');
  return separator === -1 ? words : words.slice(0, separator);
}
