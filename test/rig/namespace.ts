import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { hostNamespacesVariable, ownNamespaces } from '@sallyport/helper/developer/private-namespaces.ts';
import { MissingPrerequisite } from './missing-prerequisite.ts';
import { CommandFailed, run, searchPath } from './run.ts';

/**
 * Runs as the first thing inside, then becomes the program.
 *
 * `/run` is an empty tmpfs, so that `ip netns add` and sockets stay private and no bus of the host is in reach.
 * `/etc` is a copy, so that resolv.conf and hosts may be written, renamed and linked like the real ones without
 * the host's ever being touched, whether or not they are symbolic links there.
 */
const prepare = `
set -e
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run
[ -L /var/run ] || mount --rbind /run /var/run
mkdir -m 1777 /run/lock
mkdir -m 755 /run/etc
cp -a /etc/. /run/etc 2>/dev/null || true
cd /run/etc
rm -f resolv.conf hosts nsswitch.conf
echo '# no name server' > resolv.conf
printf '127.0.0.1 localhost\\n::1 localhost\\n' > hosts
printf 'passwd: files\\ngroup: files\\nhosts: files dns\\n' > nsswitch.conf
chmod 644 resolv.conf hosts nsswitch.conf
cd "$OLDPWD"
mount --bind /run/etc /etc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys 2>/dev/null || true
# Addresses hold at once: a snapshot must not depend on how long a duplicate was looked for.
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
ip link set lo up
exec setpriv --pdeathsig KILL -- "$@"
`;

export interface NamespaceOptions {
  /** Added to this process's environment. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** `'inherit'` unless told. */
  readonly stdio?: StdioOptions;
}

/**
 * Runs a Node script inside new private namespaces, with this process's standard streams, and returns its exit
 * code once it ended. Everything that it starts and changes is gone then.
 *
 * @throws {MissingPrerequisite} this user may not make namespaces or TUN devices here
 */
export async function enterPrivateNamespaces(
  script: string | URL,
  args: readonly string[] = [],
  options: NamespaceOptions = {},
): Promise<number> {
  const path = script instanceof URL || script.startsWith('file:') ? fileURLToPath(script) : script;
  return ended(await spawnInPrivateNamespaces(process.execPath, [path, ...args], options));
}

/**
 * Starts a program in a network, mount and, unless root, user namespace of its own; inside it is root.
 *
 * It dies with the thread that started it.
 *
 * @throws {MissingPrerequisite} this user may not make namespaces or TUN devices here
 */
export async function spawnInPrivateNamespaces(
  program: string,
  args: readonly string[],
  options: NamespaceOptions = {},
): Promise<ChildProcess> {
  await checkNamespaces();
  const env: NodeJS.ProcessEnv = { ...process.env, ...options.env, PATH: searchPath() };
  env[hostNamespacesVariable] = ownNamespaces().join(' ');
  // A network namespace does not isolate D-Bus: without these two, libraries would find the host's.
  env['DBUS_SYSTEM_BUS_ADDRESS'] = 'unix:path=/run/no-system-bus';
  env['DBUS_SESSION_BUS_ADDRESS'] = 'unix:path=/run/no-session-bus';
  delete env['XDG_RUNTIME_DIR'];
  const child = spawn('unshare', [...unshareFlags(), 'sh', '-c', prepare, 'sh', program, ...args], {
    env,
    cwd: options.cwd,
    stdio: options.stdio ?? 'inherit',
  });
  await once(child, 'spawn');
  return child;
}

/** Waits for a program; 128 and the signal's number stand for a signal, as in a shell. */
export async function ended(child: ChildProcess): Promise<number> {
  // Ctrl-C reaches the child as well: it decides, this process only waits.
  const ignore = (): void => undefined;
  const forward = (): void => void child.kill('SIGTERM');
  process.on('SIGINT', ignore);
  process.on('SIGTERM', forward);
  try {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.exitCode ?? 128 + (child.signalCode === null ? 0 : constants.signals[child.signalCode]);
  } finally {
    process.off('SIGINT', ignore);
    process.off('SIGTERM', forward);
  }
}

function unshareFlags(): readonly string[] {
  return process.geteuid?.() === 0 ? ['--net', '--mount'] : ['--user', '--map-root-user', '--net', '--mount'];
}

/** @throws {MissingPrerequisite} */
async function checkNamespaces(): Promise<void> {
  await run('unshare', [...unshareFlags(), 'true']).catch((error: unknown) => {
    const reason = error instanceof CommandFailed ? error.result.stderr.trim() : String(error);
    throw new MissingPrerequisite(
      `This user may not make network namespaces here (${reason}): run it as root, or allow it with \`sudo sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0\`.`,
    );
  });
  // Opening is the only honest question: a container may list the device and still refuse it.
  await open('/dev/net/tun', 'r+').then(
    (device) => device.close(),
    (error: unknown) => {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      throw new MissingPrerequisite(
        code === 'ENOENT'
          ? 'There is no /dev/net/tun: run `sudo modprobe tun`, or in a container start it with `--device /dev/net/tun`.'
          : `/dev/net/tun may not be opened by this user (${code}): run it as root, or allow it with \`sudo chmod 0666 /dev/net/tun\`.`,
      );
    },
  );
}
