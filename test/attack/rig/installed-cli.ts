import { access, copyFile, mkdir } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { assertPrivateNamespaces } from '@sallyport/helper/developer/private-namespaces.ts';
import { MissingPrerequisite } from '../../rig/missing-prerequisite.ts';
import { run, type RunResult } from '../../rig/run.ts';

/** Named in the product's manifest. */
const path = '/opt/Sallyport/sallyport-cli';

export interface CliOptions {
  readonly uid: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input; empty unless told. */
  readonly input?: string;
}

/** The command line as a package installs it, below an `/opt` of the rig's own mount namespace. */
export class InstalledCli implements AsyncDisposable {
  /** @throws {MissingPrerequisite} it was not built */
  static async install(): Promise<InstalledCli> {
    assertPrivateNamespaces();
    const built = process.env['SALLYPORT_CLI'];
    if (built === undefined) {
      throw new MissingPrerequisite(
        'The command line was not built: run these tests with `npm run test:attack`.',
      );
    }
    await access(built);
    await run('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/opt']);
    await mkdir('/opt/Sallyport', { mode: 0o755 });
    await copyFile(built, path);
    await run('chmod', ['755', path]);
    return new InstalledCli();
  }

  /** Runs it to its end as an ordinary user. */
  async run(words: readonly string[], options: CliOptions): Promise<RunResult> {
    const identity = ['--reuid', String(options.uid), '--regid', String(options.uid), '--clear-groups'];
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...identity, '--', path, ...words], {
      cwd: options.cwd ?? '/',
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: 30_000,
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    return { code: child.exitCode, stdout, stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('umount', ['--lazy', '/opt']);
  }
}
