import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { MissingPrerequisite } from '../test/rig/missing-prerequisite.ts';
import { findProgram, run, searchPath } from '../test/rig/run.ts';
import { ensureWireGuardGo } from '../test/rig/wireguard-go.ts';

/** What needs system packages: the tiers of `npm test` and the other commands of package.json. */
export type Tier =
  'unit' | 'netns' | 'bus' | 'desktop' | 'fuzz' | 'demo' | 'start' | 'bench' | 'package' | 'attack';

interface Prerequisite {
  /** On Debian and Ubuntu; the first one that the release has. */
  readonly packages: readonly string[];
  readonly isThere: () => Promise<boolean>;
}

const network: readonly Prerequisite[] = [
  program('ip', 'iproute2'),
  program('unshare', 'util-linux'),
  program('setpriv', 'util-linux'),
  program('nft', 'nftables'),
  program('wg', 'wireguard-tools'),
  program('iperf3', 'iperf3'),
  program('ping', 'iputils-ping'),
  file('/etc/ssl/certs/ca-certificates.crt', 'ca-certificates'),
];

/** What unpacks Electron's test runtime where the package's own cannot be had. */
const python: readonly Prerequisite[] = [program('python3', 'python3'), program('pip3', 'python3-pip')];

const electron: readonly Prerequisite[] = [
  library('libgtk-3.so.0', 'libgtk-3-0', 'libgtk-3-0t64'),
  library('libnss3.so', 'libnss3'),
  library('libasound.so.2', 'libasound2', 'libasound2t64'),
  library('libgbm.so.1', 'libgbm1'),
  library('libatspi.so.0', 'libatspi2.0-0', 'libatspi2.0-0t64'),
  ...python,
];

const bus: readonly Prerequisite[] = [
  program('dbus-daemon', 'dbus-daemon'),
  // Debian's modules belong to Debian's Python, whichever comes first in PATH.
  file('/usr/bin/python3', 'python3'),
  file('/usr/lib/python3/dist-packages/gi', 'python3-gi'),
];

/** What `test/rig/polkit.ts` runs; the compiler makes what stands in for cgroups there. */
const polkit: readonly Prerequisite[] = [
  file('/usr/lib/polkit-1/polkitd', 'polkitd'),
  program('cc', 'gcc'),
  file('/usr/include/stdio.h', 'libc6-dev'),
];

const screen: readonly Prerequisite[] = [
  program('Xvfb', 'xvfb'),
  program('xauth', 'xauth'),
  program('xdotool', 'xdotool'),
  file('/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf', 'fonts-dejavu-core'),
];

/** What sees and presses the shipped app's buttons, which takes no debugger. */
const accessibility: readonly Prerequisite[] = [
  file('/usr/libexec/at-spi-bus-launcher', 'at-spi2-core'),
  library('girepository-1.0/Atspi-2.0.typelib', 'gir1.2-atspi-2.0'),
];

const table: Readonly<Record<Tier, readonly Prerequisite[]>> = {
  unit: [program('python3', 'python3'), program('unshare', 'util-linux'), program('setpriv', 'util-linux')],
  netns: [...network, program('tcpdump', 'tcpdump'), program('systemd-creds', 'systemd')],
  bus: [...network, ...bus, ...polkit, file('/usr/lib/python3/dist-packages/dbusmock', 'python3-dbusmock')],
  desktop: [...network, ...electron, ...bus, ...polkit, ...screen, ...accessibility],
  attack: [...network, ...bus, ...polkit, program('nsenter', 'util-linux'), program('openssl', 'openssl')],
  fuzz: [
    program('ip', 'iproute2'),
    program('wg', 'wireguard-tools'),
    program('wg-quick', 'wireguard-tools'),
    // Makers of identity files.
    program('openssl', 'openssl'),
    program('certtool', 'gnutls-bin'),
    program('pk12util', 'libnss3-tools'),
    program('certutil', 'libnss3-tools'),
    // libFuzzer is C++.
    program('c++', 'g++'),
  ],
  demo: network,
  start: [program('ip', 'iproute2'), program('nft', 'nftables'), ...electron],
  bench: [...network, ...electron, ...bus, ...polkit, ...screen],
  package: python,
};

/** Tiers that talk to a foreign peer; it is built before they enter namespaces that have no way out. */
const needsPeer = new Set<Tier>(['netns', 'attack', 'desktop', 'demo', 'bench']);

/**
 * Sees to it that the system packages of a tier are installed.
 *
 * Silent when they are. Otherwise, as root on Debian and Ubuntu, installs them when `CI` is set or the person at
 * the terminal agrees.
 *
 * @throws {MissingPrerequisite} one line that says what to run
 */
export async function ensurePrerequisites(tier: Tier): Promise<void> {
  const missing = await missingPackages(tier);
  if (missing.length > 0) await install(tier, missing);
  if (!needsPeer.has(tier)) return;
  // Without it the kernel's may serve, or in the demo an engine of our own: whoever needs it says so.
  await ensureWireGuardGo().catch((error: unknown) => {
    if (!(error instanceof MissingPrerequisite)) throw error;
    process.stderr.write(`${error.message}\n`);
  });
}

async function missingPackages(tier: Tier): Promise<readonly (readonly string[])[]> {
  const missing = new Map<string, readonly string[]>();
  for (const { packages, isThere } of table[tier]) {
    if (!(await isThere())) missing.set(packages.join(), packages);
  }
  return [...missing.values()];
}

async function install(tier: Tier, missing: readonly (readonly string[])[]): Promise<void> {
  const firstNames = missing.flatMap((names) => names.slice(0, 1));
  if ((await findProgram('apt-get')) === null) {
    throw new MissingPrerequisite(
      `${tier} needs programs that are not installed; install what your system calls: ${firstNames.join(' ')}`,
    );
  }
  const isRoot = process.geteuid?.() === 0;
  const command = `apt-get install -y --no-install-recommends ${firstNames.join(' ')}`;
  const mayInstall =
    isRoot && ((process.env['CI'] ?? '') !== '' || (await agrees(`${tier} needs: ${command}`)));
  if (!mayInstall) {
    const sudo = isRoot ? '' : 'sudo ';
    throw new MissingPrerequisite(
      `${tier} needs system packages; run: ${sudo}apt-get update && ${sudo}${command}`,
    );
  }
  await apt(['update']);
  const names: string[] = [];
  for (const alternatives of missing) names.push(await available(alternatives));
  await apt(['install', '-y', '--no-install-recommends', ...names]);

  const still = await missingPackages(tier);
  if (still.length > 0) {
    throw new MissingPrerequisite(
      `${tier} still lacks what these packages should bring: ${still.flat().join(' ')}`,
    );
  }
}

async function agrees(question: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test(await terminal.question(`${question}\nInstall now? [y/N] `));
  } finally {
    terminal.close();
  }
}

/** The first name that this release can install. */
async function available(names: readonly string[]): Promise<string> {
  const [first = ''] = names;
  for (const name of names) {
    const policy = await run('apt-cache', ['policy', name], { env: aptEnvironment });
    if (/^ +Candidate: (?!\(none\))/m.test(policy)) return name;
  }
  return first;
}

const aptEnvironment: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: searchPath(),
  LC_ALL: 'C',
  DEBIAN_FRONTEND: 'noninteractive',
};

/** What apt prints goes to standard error: a command's own output may be for machines. */
async function apt(words: readonly string[]): Promise<void> {
  const child = spawn('apt-get', ['-q', ...words], { env: aptEnvironment, stdio: ['ignore', 2, 2] });
  await once(child, 'exit');
  if (child.exitCode !== 0) {
    throw new MissingPrerequisite(`\`apt-get ${words.join(' ')}\` failed; see above, and run it by hand.`);
  }
}

function program(name: string, ...packages: readonly string[]): Prerequisite {
  return { packages, isThere: async () => (await findProgram(name)) !== null };
}

function file(path: string, ...packages: readonly string[]): Prerequisite {
  return { packages, isThere: () => exists(path) };
}

const libraryDirectories = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
];

function library(name: string, ...packages: readonly string[]): Prerequisite {
  return {
    packages,
    isThere: async () => {
      const found = await Promise.all(libraryDirectories.map((directory) => exists(`${directory}/${name}`)));
      return found.includes(true);
    },
  };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
