import {
  createMessageConnection,
  RAL,
  type ConnectionOptions,
  type MessageConnection,
  type MessageReader,
  type MessageWriter,
} from 'vscode-jsonrpc/node';

let isPaced = false;

/**
 * A JSON-RPC connection as both sides of the endpoint use it.
 *
 * vscode-jsonrpc handles one message in a turn of the event loop, and each turn costs more than the message. What has
 * arrived by the time of a turn is handled in it, all connections in the order of arrival; a side bounds how much
 * that may be where it reads.
 */
export function connectMessages(
  reader: MessageReader,
  writer: MessageWriter,
  options?: ConnectionOptions,
): MessageConnection {
  if (!isPaced) {
    const runtime = RAL();
    RAL.install({ ...runtime, timer: { ...runtime.timer, setImmediate: inOneTurn } });
    isPaced = true;
  }
  return createMessageConnection(reader, writer, undefined, options);
}

interface Task {
  run: (() => void) | null;
}

let tasks: Task[] = [];

/** As `setImmediate`, but what is added while a turn goes on is still part of it. */
function inOneTurn<A extends unknown[]>(
  callback: (...args: A) => void,
  ...args: A
): { readonly dispose: () => void } {
  const task: Task = {
    run: () => {
      callback(...args);
    },
  };
  if (tasks.push(task) === 1) setImmediate(runAll);
  return {
    dispose: () => {
      task.run = null;
    },
  };
}

function runAll(): void {
  let done = 0;
  try {
    while (done < tasks.length) {
      const task = tasks[done];
      done += 1;
      task?.run?.();
    }
  } finally {
    // Of one that threw, which is for the process to judge, the rest are not to suffer.
    tasks = tasks.slice(done);
    if (tasks.length > 0) setImmediate(runAll);
  }
}
