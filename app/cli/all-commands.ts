import type { CommandDefinition } from './command.ts';
import { completionCommand } from './commands/completion.ts';
import { connectCommand } from './commands/connect.ts';
import { disconnectCommand } from './commands/disconnect.ts';
import { extensionListCommand } from './commands/extension-list.ts';
import { importCommand } from './commands/import.ts';
import { listCommand } from './commands/list.ts';
import { logCommand } from './commands/log.ts';
import { removeCommand } from './commands/remove.ts';
import { renameCommand } from './commands/rename.ts';
import { showCommand } from './commands/show.ts';
import { statusCommand } from './commands/status.ts';

/** Every command, in the order of the help. */
export function allCommands(): readonly CommandDefinition[] {
  return [
    importCommand,
    listCommand,
    showCommand,
    renameCommand,
    removeCommand,
    connectCommand,
    disconnectCommand,
    statusCommand,
    logCommand,
    extensionListCommand,
    completionCommand(allCommands),
  ];
}
