import type { z } from 'zod';
import type { Cli } from './cli.ts';
import { UsageError } from './usage-error.ts';

/** What a shell may offer in a place. */
export type Completion = 'tunnel' | 'file' | 'none' | readonly string[];

export interface ArgumentDefinition {
  readonly name: string;
  readonly isRequired: boolean;
  readonly description: string;
  readonly completion: Completion;
}

export interface OptionDefinition {
  /** As commander has it: `--name <name>`, `-f, --follow`, `--no-wait`. */
  readonly flags: string;
  readonly description: string;
  /** For the value, where the option takes one. */
  readonly completion?: Completion;
}

/** One command: parser, help, completions, man page and documentation are all made from this. */
export interface CommandDefinition {
  /** Its words: `['extension', 'list']`. */
  readonly path: readonly string[];
  /** One line, without a full stop. */
  readonly summary: string;
  /** Paragraphs for help and man page. */
  readonly description: readonly string[];
  readonly arguments: readonly ArgumentDefinition[];
  readonly options: readonly OptionDefinition[];
  /** What `--json` prints; null when the command has no such option. */
  readonly json: { readonly schema: z.ZodType; readonly isStream: boolean } | null;
  /** Runs it with arguments and options by name, as commander found them. */
  readonly run: (cli: Cli, input: Readonly<Record<string, unknown>>) => Promise<void>;
}

type TypedDefinition<I> = Omit<CommandDefinition, 'run'> & {
  /** Shape of arguments and options. */
  readonly input: z.ZodType<I>;
  readonly run: (cli: Cli, input: I) => Promise<void>;
};

/** A command whose input is checked before it runs. */
export function defineCommand<I>(definition: TypedDefinition<I>): CommandDefinition {
  const { input: schema, run, ...rest } = definition;
  return {
    ...rest,
    run: (cli, raw) => {
      const input = schema.safeParse(raw);
      if (input.success) return run(cli, input.data);
      throw new UsageError(input.error.issues.map(({ message }) => message).join(' '));
    },
  };
}

/** For commands that act on one tunnel. */
export const tunnelArgument: ArgumentDefinition = {
  name: 'name',
  isRequired: true,
  description: 'The tunnel’s name, or enough of its beginning to be clear',
  completion: 'tunnel',
};
