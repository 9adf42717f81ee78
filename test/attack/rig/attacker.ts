import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { CommandFailed, run } from '../../rig/run.ts';

/** Debian's own: whichever comes first in PATH may not be readable by others. */
export const python = '/usr/bin/python3';

/** Who mounts an attack: a uid and a program of Python's. */
export interface Attacker {
  readonly uid: number;
  /** {@link python} unless told. */
  readonly executable?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A process in whose pid and mount namespace it runs. */
  readonly inside?: number;
  /** One that it keeps although it is not root, without `CAP_`. */
  readonly capability?: string;
}

/** What came of a connection: see `gain` in `endpoint.py`. */
export const gainSchema = z.object({
  answered: z.array(z.string()),
  denied: z.array(z.string()),
  /** Code of the one typed refusal. */
  refusal: z.string().nullable(),
  closed: z.boolean(),
});
export type Gain = z.infer<typeof gainSchema>;

const texts = new Map<string, string>();

export async function attackerText(name: 'endpoint.py' | 'agent.py'): Promise<string> {
  const text = texts.get(name) ?? (await readFile(new URL(name, import.meta.url), 'utf8'));
  texts.set(name, text);
  return text;
}

/** The words that start Python as that uid, without anything else of whoever runs the tests. */
export function identityOf(attacker: Attacker, args: readonly string[]): [string, ...string[]] {
  const { uid, executable = python, inside, capability } = attacker;
  const namespaces =
    inside === undefined ? [] : ['nsenter', '--target', String(inside), '--pid', '--mount', '--'];
  const identity =
    uid === 0
      ? []
      : [
          ...['--reuid', String(uid), '--regid', String(uid), '--clear-groups'],
          ...(capability === undefined
            ? ['--inh-caps=-all']
            : [`--inh-caps=-all,+${capability}`, `--ambient-caps=+${capability}`]),
        ];
  const [first = 'setpriv', ...rest] = [
    ...namespaces,
    ...['setpriv', '--pdeathsig', 'KILL', ...identity, '--', executable, ...args],
  ];
  return [first, ...rest];
}

export function environmentOf({ env }: Attacker): NodeJS.ProcessEnv {
  // A copy of Python looks for its library beside itself.
  return { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', PYTHONHOME: '/usr', LC_ALL: 'C.UTF-8', ...env };
}

/** Runs a hostile client to its end; its text follows `endpoint.py`'s. @returns the line of JSON that it printed */
export async function mount<T>(
  schema: z.ZodType<T>,
  attacker: Attacker,
  script: string,
  ...args: readonly string[]
): Promise<T> {
  const text = `${await attackerText('endpoint.py')}\n${script}`;
  const [program, ...words] = identityOf(attacker, ['-c', text, ...args]);
  const options = { env: environmentOf(attacker), timeout: 60_000 };
  const output = await run(program, words, options).catch((error: unknown) => {
    // The command holds its whole text, which hides what it said.
    const said = error instanceof CommandFailed ? error.result.stderr : String(error);
    throw new Error(`The attack could not be mounted: ${said.slice(-1000)}`);
  });
  const line = output.trim().split('\n').at(-1) ?? '';
  return schema.parse(JSON.parse(line));
}

/**
 * Words before a program that then runs on a kernel that knows fewer calls: Linux before 6.5 has no `SO_PEERPIDFD`
 * of socket(7), before 5.3 no pidfd_open(2).
 */
export function olderKernel(lacks: 'SO_PEERPIDFD' | 'pidfd_open too'): readonly string[] {
  const script = `
import ctypes, os, platform, struct, sys
getsockopt = {'x86_64': 55, 'aarch64': 209}[platform.machine()]
SOL_SOCKET, SO_PEERPIDFD, PIDFD_OPEN = 1, 77, 434
ENOPROTOOPT, ENOSYS = 92, 38
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7fff0000, 0x00050000
# seccomp_data: the call's number at 0, its arguments from 16 on, low half first.
program = [
    (LOAD, 0, 0, 0),
    (EQUAL, 0, 5, getsockopt),
    (LOAD, 0, 0, 24), (EQUAL, 0, 5, SOL_SOCKET),
    (LOAD, 0, 0, 32), (EQUAL, 0, 3, SO_PEERPIDFD), (RETURN, 0, 0, ERRNO | ENOPROTOOPT),
    (EQUAL, 0, 1, PIDFD_OPEN if sys.argv[1] != 'SO_PEERPIDFD' else 0xffffffff), (RETURN, 0, 0, ERRNO | ENOSYS),
    (RETURN, 0, 0, ALLOW),
]
code = b''.join(struct.pack('HBBI', *line) for line in program)
buffer = ctypes.create_string_buffer(code, len(code))
class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
filtered = Program(len(program), ctypes.cast(buffer, ctypes.c_void_p))
if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filtered), 0, 0) != 0:
    raise OSError(ctypes.get_errno(), 'seccomp')
os.execv(sys.argv[2], sys.argv[2:])
`;
  return [python, '-c', script, lacks];
}
