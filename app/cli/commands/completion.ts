import * as z from 'zod';
import { defineCommand, type CommandDefinition } from '../command.ts';
import { bashCompletion } from '../completion/bash.ts';
import { fishCompletion } from '../completion/fish.ts';
import { zshCompletion } from '../completion/zsh.ts';

const shells = ['bash', 'zsh', 'fish'] as const;

const renderers = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** @param commands every command, this one among them */
export function completionCommand(commands: () => readonly CommandDefinition[]): CommandDefinition {
  return defineCommand({
    path: ['completion'],
    summary: 'Print a completion script for a shell',
    description: [
      'bash: source <(sallyport completion bash). zsh: sallyport completion zsh > "${fpath[1]}/_sallyport". fish: sallyport completion fish > ~/.config/fish/completions/sallyport.fish.',
    ],
    arguments: [{ name: 'shell', isRequired: true, description: 'bash, zsh or fish', completion: shells }],
    options: [],
    json: null,
    input: z.object({ shell: z.enum(shells, { error: 'The shell is bash, zsh or fish.' }) }),
    run: (cli, { shell }) => {
      cli.host.stdout.write(renderers[shell](commands()));
      return Promise.resolve();
    },
  });
}
