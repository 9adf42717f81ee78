import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Agent } from './host.ts';

/** Longest wait for the agent to register itself, and for its end; milliseconds. */
const patience = 3000;

const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface AgentSituation {
  readonly uid: number;
  readonly stdinIsTTY: boolean;
  readonly stdoutIsTTY: boolean;
  /** The environment's PATH. */
  readonly searchPath: string | undefined;
}

/**
 * Where the agent is that would be of use here, or null.
 *
 * Root needs no approval, and without a terminal there is nobody to ask. Folders of PATH that are relative are passed
 * over: what lies there may be anybody's.
 */
export function findAgent(
  situation: AgentSituation,
  isExecutable: (path: string) => boolean = isExecutableFile,
): string | null {
  const { uid, stdinIsTTY, stdoutIsTTY, searchPath = '' } = situation;
  if (uid === 0 || !stdinIsTTY || !stdoutIsTTY) return null;
  const candidates = searchPath
    .split(':')
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, 'pkttyagent'));
  return candidates.find((path) => isExecutable(path)) ?? null;
}

/**
 * Starts polkit's terminal agent for this process, as `systemctl` does, so that an administrator's approval can be
 * given over SSH; `--fallback` leaves the asking to a desktop's own agent where there is one.
 *
 * @returns once it is registered, or has ended because it could not be; then nobody is asked here, and that is all
 */
export async function startAgent(path: string): Promise<Agent> {
  const child = spawn(path, ['--notify-fd', '3', '--fallback', '--process', String(process.pid)], {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
  });
  // It would go on asking after this process has been ended by a signal.
  const onSignal = (signal: NodeJS.Signals) => {
    child.kill();
    forget();
    process.kill(process.pid, signal);
  };
  const onExit = () => child.kill();
  const forget = () => {
    process.off('exit', onExit);
    for (const signal of endingSignals) process.off(signal, onSignal);
  };
  process.on('exit', onExit);
  for (const signal of endingSignals) process.on(signal, onSignal);
  await registered(child);
  return {
    stop: async () => {
      await ended(child);
      forget();
    },
  };
}

/** The agent closes its end of the pipe when it is registered, and also when it ends. */
function registered(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, patience);
    const settle = () => {
      clearTimeout(timer);
      resolve();
    };
    child.once('error', settle);
    child.once('exit', settle);
    const notify = child.stdio[3];
    if (!isReadable(notify)) return;
    notify.resume();
    notify.once('end', settle);
  });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null)
    return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
    }, patience);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}

function isReadable(stream: unknown): stream is Readable {
  return stream instanceof Object && 'resume' in stream && 'once' in stream;
}

function isExecutableFile(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
