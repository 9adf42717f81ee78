import { appendFile, chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MissingPrerequisite } from '../../rig/missing-prerequisite.ts';
import { assertPrivateNamespaces } from '@sallyport/helper/developer/private-namespaces.ts';
import { findProgram } from '../../rig/run.ts';

/** Far from the uids of people and of systemd's dynamic users. */
const uid = 61_234;

/** An ordinary user of the tests: a uid with a home of its own and no rights. */
export interface Person extends AsyncDisposable {
  readonly uid: number;
  readonly home: string;
  /** Environment of the person's programs, without anything of who runs the tests. */
  readonly environment: Readonly<Record<string, string>>;
  /** A program's name and arguments as they are started for the person. */
  readonly command: (program: string, ...args: readonly string[]) => readonly [string, ...string[]];
  /**
   * A script that becomes the program as this person, for starters that take one executable alone.
   *
   * @returns its path
   */
  readonly wrapper: (program: string) => Promise<string>;
}

/** @throws {MissingPrerequisite} the tests do not run as root, who alone can become somebody else */
export async function createPerson(display: string): Promise<Person> {
  if (process.geteuid?.() !== 0) {
    throw new MissingPrerequisite(
      'The desktop tests start a root helper and an app of another user: run them as root, `sudo npm run test:desktop`.',
    );
  }
  if ((await findProgram('setpriv')) === null) {
    throw new MissingPrerequisite('setpriv is missing: run `apt-get install util-linux` and run this again.');
  }
  const home = await mkdtemp(join(tmpdir(), 'sallyport-person-'));
  const runtime = join(home, 'run');
  await mkdir(runtime, { mode: 0o700 });
  await chmod(home, 0o700);
  await addAccount(home);
  for (const path of [home, runtime]) await chown(path, uid, uid);
  const identity = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--no-new-privs'];
  const environment = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: home,
    XDG_RUNTIME_DIR: runtime,
    DISPLAY: display,
    LANG: 'C.UTF-8',
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(runtime, 'bus')}`,
    DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/run/no-system-bus',
  };
  const command = (program: string, ...args: readonly string[]): [string, ...string[]] => [
    'setpriv',
    '--pdeathsig',
    'KILL',
    ...identity,
    '--',
    program,
    ...args,
  ];
  let wrappers = 0;
  return {
    uid,
    home,
    environment,
    command,
    wrapper: async (program) => {
      const path = join(home, `start-${String(++wrappers)}`);
      const words = command(program).map((word) => `'${word}'`);
      await writeFile(path, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`, { mode: 0o755 });
      return path;
    },
    [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true, maxRetries: 5 }),
  };
}

/** dbus-daemon wants an account; `/etc` in the rig's namespaces is a copy, so the machine gets none. */
async function addAccount(home: string): Promise<void> {
  assertPrivateNamespaces();
  const number = String(uid);
  await appendFile('/etc/passwd', `person-${number}:x:${number}:${number}::${home}:/bin/sh\n`);
  await appendFile('/etc/group', `person-${number}:x:${number}:\n`);
}
