import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Written to the program's standard input, which is then closed. */
  readonly input?: string;
  /** Milliseconds until the program is killed; 60,000 unless told. */
  readonly timeout?: number;
}

/** What a program that ended left behind; `code` is null if a signal ended it. */
export interface RunResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program ended otherwise than with 0, or could not be started. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
  readonly result: RunResult;

  constructor(command: readonly string[], result: RunResult, cause: unknown) {
    const said = (result.stderr.trim() || result.stdout.trim()).slice(-2000);
    super(`\`${command.join(' ')}\` failed${said === '' ? '' : `: ${said}`}`, { cause });
    this.result = result;
  }
}

/** Runs a program to its end, without a shell, and returns its standard output. @throws {CommandFailed} */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = execFile(
    program,
    args,
    {
      cwd: options.cwd,
      env: options.env ?? process.env,
      timeout: options.timeout ?? 60_000,
      maxBuffer: 64 * 1024 * 1024,
    },
    (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else {
        const code = typeof error.code === 'number' ? error.code : null;
        reject(
          new CommandFailed([program, ...args], { code, stdout, stderr: stderr || error.message }, error),
        );
      }
    },
  );
  // A program may end before it has read its input; its exit code says what matters.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input ?? '');
  return promise;
}

/** Runs a program and tells whether it ended with 0; whatever it prints is dropped. */
export async function succeeds(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<boolean> {
  return run(program, args, options).then(
    () => true,
    () => false,
  );
}

/** Where system programs lie although an ordinary user's PATH may not name it. */
const systemDirectories = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/go/bin'];

/** PATH, followed by the directories where Debian keeps the administrator's programs. */
export function searchPath(): string {
  const named = (process.env['PATH'] ?? '').split(delimiter).filter((part) => part !== '');
  return [...new Set([...named, ...systemDirectories])].join(delimiter);
}

/** The path of an executable program, or null if there is none. */
export async function findProgram(name: string): Promise<string | null> {
  for (const directory of searchPath().split(delimiter)) {
    const path = join(directory, name);
    const executable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (executable) return path;
  }
  return null;
}
