/** What can come of an attack, as `docs/security.md` says it. */
export const outcomes = {
  closed: 'connection closed, nothing answered',
  noneTaken: 'none is taken: the kernel passes none, or the connection is closed',
  refused: 'one typed refusal, connection closed',
  denied: 'a typed error for that call alone, nothing changed',
  ownRole: 'no more than its uid may do anyway',
  served: 'served as if nothing had happened',
  notStarted: 'the helper refuses to start and says why',
  notUsed: 'the client does not connect',
  neverWider: 'permissions at no moment wider than meant',
  inTime: 'verified calls stay within 500 ms (99 of 100)',
  allOrNothing: 'the old state or the new one, never a part',
  oneWins: 'one is stored, the other is told that it is stale',
  plainText: 'taken for text: nothing runs, nothing is forged',
  notRead: 'nothing of it is read or imported',
  notRun: 'left out or refused; nothing of it is run',
} as const;
export type Outcome = keyof typeof outcomes;

/** Groups of the table, in its order. */
export const groups = {
  identity: 'Identity',
  endpoint: 'Endpoint',
  app: 'Trusted app',
  framing: 'Framing',
  exhaustion: 'Exhaustion',
  semantics: 'Semantics',
  names: 'Names',
  configuration: 'Configuration',
  files: 'Files',
  output: 'Output',
  life: 'Life cycle',
  network: 'Network',
} as const;

/**
 * One attack: mounted by `test/attack`, with what came of it; mounted by another tier's test; or not yet, with the
 * reason.
 */
export type AttackLine = { readonly what: string } & (
  | { readonly outcome: Outcome }
  | { readonly elsewhere: string; readonly title: string }
  | { readonly notYet: string }
);

/** Every attack that we know of. The part of an id before the slash is its group. */
export const attacks = {
  'identity/bound-name': { what: 'A forged name bound to the caller’s own address', outcome: 'refused' },
  'identity/exec-after-connect': {
    what: 'Connect, fork, become the trusted program; the child goes on sending',
    outcome: 'closed',
  },
  'identity/pid-reuse': {
    what: 'The verified process ends and its number is taken by another that has its connection',
    outcome: 'closed',
  },
  'identity/exec-after-send': {
    what: 'Send everything first, then become the trusted program in the same process',
    outcome: 'closed',
  },
  'identity/forged-pid': {
    what: 'Credentials with a trusted child’s number, forged in a pid namespace of its own',
    outcome: 'closed',
  },
  'identity/handed-over': {
    what: 'A verified connection handed to another program (SCM_RIGHTS), of the same and of another uid',
    outcome: 'closed',
  },
  'identity/stray-descriptors': {
    what: 'Thousands of descriptors sent along, before and after verification',
    outcome: 'noneTaken',
  },
  'identity/namespace-root': { what: '“Root” of a user namespace', outcome: 'closed' },
  'identity/other-pid-namespace': {
    what: 'Real root in another pid namespace: below the helper’s, and above it (pid 0)',
    outcome: 'closed',
  },
  'identity/replaced-executable': {
    what: 'The trusted program, deleted or replaced while it ran',
    outcome: 'refused',
  },
  'identity/copied-executable': {
    what: 'A copy, a hard link and a bind mount of the trusted program elsewhere',
    outcome: 'refused',
  },
  'identity/second-user': {
    what: 'A second user with the verified program, after the first one’s tunnels',
    outcome: 'denied',
  },
  'identity/user-switching': {
    what: 'A session that goes to the background between two calls',
    outcome: 'denied',
  },
  'identity/older-kernel': {
    what: 'The same on a kernel that lacks SO_PEERPIDFD, or pidfd_open as well',
    outcome: 'closed',
  },

  'endpoint/squatting': { what: 'The name taken before the helper starts', outcome: 'notStarted' },
  'endpoint/unsafe-directory': {
    what: 'The socket’s directory a symbolic link, writable by a group, or another’s',
    outcome: 'notStarted',
  },
  'endpoint/stale-socket': { what: 'The socket that a killed helper left', outcome: 'served' },
  'endpoint/bind-window': {
    what: 'A glance at the socket between its creation and its permissions',
    outcome: 'neverWider',
  },
  'endpoint/false-server': { what: 'A client led to another’s server', outcome: 'notUsed' },
  'endpoint/restart-race': { what: 'A race for the name while the helper restarts', outcome: 'served' },

  'app/preload': { what: 'LD_PRELOAD into the trusted program', outcome: 'ownRole' },
  'app/ptrace': { what: 'ptrace: other words put into its mouth', outcome: 'ownRole' },
  'app/process-memory': { what: 'The same through /proc/PID/mem', outcome: 'ownRole' },
  'app/memory-dump': {
    what: 'The nonce taken from a dump of its memory, used on a connection of one’s own',
    outcome: 'refused',
  },
  'app/node-options': {
    what: 'NODE_OPTIONS on the command line program',
    elsewhere: 'test/desktop/shipped.test.ts',
    title: 'heeds no variable of Node, and no endpoint but root’s',
  },
  'app/node-switches': {
    what: '--require, --inspect and the like on the command line program',
    elsewhere: 'test/desktop/shipped.test.ts',
    title: 'takes %s for a mistake of its own user',
  },
  'app/electron-variables': {
    what: 'ELECTRON_RUN_AS_NODE and NODE_OPTIONS on the app',
    elsewhere: 'test/desktop/shipped.test.ts',
    title: 'no variable makes the shipped app run something else',
  },
  'app/electron-switches': {
    what: '--inspect and --remote-debugging-port on the app',
    elsewhere: 'test/desktop/shipped.test.ts',
    title: 'the shipped app refuses',
  },
  'app/asar-swap': {
    what: 'The app’s code archive swapped, in place and in a copy',
    elsewhere: 'test/desktop/shipped.test.ts',
    title: 'with another archive runs that one, and gets nothing from the helper',
  },
  'app/renderer': {
    what: 'From a page to the main process to the helper',
    elsewhere: 'test/desktop/packed.test.ts',
    title: 'refuses calls that do not fit the bridge',
  },

  'framing/lengths': { what: 'Lengths of zero, below zero and of 4 GiB', outcome: 'closed' },
  'framing/split': { what: 'Frames cut at every byte', outcome: 'served' },
  'framing/garbage': { what: 'Garbage behind a good frame', outcome: 'closed' },
  'framing/utf8': { what: 'Bytes that are not UTF-8', outcome: 'closed' },
  'framing/nul': { what: 'NUL bytes in and around JSON', outcome: 'closed' },
  'framing/nesting': { what: 'Values nested 100,000 deep', outcome: 'closed' },
  'framing/prototype': { what: '`__proto__` and `constructor` as keys', outcome: 'closed' },
  'framing/duplicate-keys': {
    what: 'A member named twice: the allowed method first, or last',
    outcome: 'closed',
  },
  'framing/version': { what: 'Versions of the protocol from the past and the future', outcome: 'denied' },
  'framing/unknown-method': { what: 'Methods that do not exist', outcome: 'denied' },
  'framing/wrong-types': {
    what: 'Every field of every method with values of every wrong type',
    outcome: 'denied',
  },

  'exhaustion/drip': { what: 'Frames that come a byte at a time on every connection', outcome: 'inTime' },
  'exhaustion/half-open': { what: 'Connections that never speak, or shut one direction', outcome: 'inTime' },
  'exhaustion/descriptors': { what: '1,500 connections at once', outcome: 'inTime' },
  'exhaustion/deaf-subscriber': { what: 'A subscriber that never reads', outcome: 'inTime' },
  'exhaustion/cancel-flood': { what: 'Requests cancelled as fast as they can be made', outcome: 'inTime' },
  'exhaustion/reconnect-storm': { what: 'Thousands of connections, one after another', outcome: 'inTime' },
  'exhaustion/fork-storm': { what: 'Hundreds of processes that connect and end', outcome: 'inTime' },

  'semantics/ids': { what: 'Request ids out of order, and used again once answered', outcome: 'served' },
  'semantics/ids-in-flight': { what: 'The id of a request that is not answered yet', outcome: 'closed' },
  'semantics/cancel-after-reply': { what: 'Cancelling what was answered, or never asked', outcome: 'served' },
  'semantics/use-after-stop': {
    what: 'A session used after it stopped, or after its removal',
    outcome: 'denied',
  },
  'semantics/vanishing-client': { what: 'A client that goes away amid a change', outcome: 'allOrNothing' },
  'semantics/two-administrators': {
    what: 'Two administrators who change the same thing',
    outcome: 'oneWins',
  },

  'names/dot-dot': { what: '`../` and other slashes', outcome: 'denied' },
  'names/nul': { what: 'NUL', outcome: 'denied' },
  'names/newline': { what: 'Line breaks of every kind', outcome: 'denied' },
  'names/specifier': { what: '`%i`, `$(id)` and the like', outcome: 'plainText' },
  'names/leading-hyphen': { what: 'A hyphen in front', outcome: 'denied' },
  'names/long': { what: '256 bytes and a megabyte', outcome: 'denied' },
  'names/twins': { what: 'Twins in case, width and composition', outcome: 'denied' },
  'names/interface': {
    what: 'Names that would make an interface’s longer than 15 characters',
    outcome: 'plainText',
  },

  'configuration/scripts': {
    what: 'PostUp, PreDown, up, plugin, script-security, log and the like in a file',
    outcome: 'notRun',
  },
  'configuration/newline': { what: 'A line break in any value', outcome: 'denied' },
  'configuration/environment': {
    what: 'LD_PRELOAD, PATH, NODE_OPTIONS and a bus address in the environment of the command line program',
    outcome: 'plainText',
  },
  'configuration/many-routes': { what: 'Thousands of networks in AllowedIPs', outcome: 'inTime' },
  'configuration/endpoint-inside': {
    what: 'The server’s own address inside AllowedIPs',
    elsewhere: 'test/netns/connect.test.ts',
    title: 'a split tunnel may hold the address of its own server',
  },

  'files/symlink': { what: 'A symbolic link to a file that its person may not read', outcome: 'notRead' },
  'files/special': { what: 'A FIFO, a device, a socket and a directory', outcome: 'notRead' },
  'files/hard-link': { what: 'A hard link to another’s file', outcome: 'notRead' },
  'files/swapped': {
    what: 'A path changed between check and use: methods that would open one',
    outcome: 'denied',
  },
  'files/zip-slip': {
    what: 'Paths that climb out of an archive',
    notYet: 'no archive is imported yet (App)',
  },
  'files/zip-bomb': {
    what: 'An archive that unpacks to gigabytes',
    notYet: 'no archive is imported yet (App)',
  },
  'files/foreign-owner': {
    what: 'Files and directories of another owner in the place of the helper’s state',
    outcome: 'notStarted',
  },

  'output/log': { what: 'Terminal escapes and line breaks in whatever is logged', outcome: 'plainText' },
  'output/terminal': { what: 'The same in what the command line prints', outcome: 'plainText' },
  'output/canary': {
    what: 'Secrets in logs, answers, arguments, environment, errors and core dumps',
    elsewhere: 'test/attack/canary.test.ts',
    title: 'is nowhere but in its store',
  },

  'life/source-swap': {
    what: 'The extension swapped between approval and installation',
    notYet: 'nothing is activated yet (Activation)',
  },
  'life/downgrade': {
    what: 'An older extension in the place of a newer one',
    notYet: 'nothing is activated yet (Activation)',
  },
  'life/killed': {
    what: 'kill -9 at every step of the network’s journal',
    elsewhere: 'test/netns/network-crash.test.ts',
    title: 'kill -9 at every step, undone at the next start',
  },
  'life/leftovers': {
    what: 'What an uninstallation leaves',
    notYet: 'nothing is installed yet (Activation)',
  },
  'life/app-removed': {
    what: 'The app thrown away while its helper lives',
    notYet: 'nothing is installed yet (Activation)',
  },

  'network/malformed': {
    what: 'Malformed IP from both sides of a tunnel',
    elsewhere: 'test/netns/native-flow.test.ts',
    title: 'malformed packets are counted and dropped, from either side',
  },
  'network/malformed-wireguard': {
    what: 'Malformed WireGuard messages',
    elsewhere: 'test/netns/native-wireguard.test.ts',
    title: 'those that come from the network',
  },
  'network/malformed-others': {
    what: 'Malformed DNS and TLS',
    notYet: 'the helper parses neither yet (DNS proxy, AnyConnect)',
  },
  'network/handshake-flood': {
    what: 'A flood of handshakes',
    notYet: 'the engine’s own cookies are tested by its authors; ours come with its replacement (Data plane)',
  },
  'network/replay': {
    what: 'Packets sent again',
    notYet: 'the engine’s own window is tested by its authors; ours comes with its replacement (Data plane)',
  },
  'network/oversized': {
    what: 'Oversized and fragmented datagrams',
    elsewhere: 'test/netns/native-wireguard.test.ts',
    title: 'carry packets longer than any buffer was meant for, once the MTU allows them',
  },
  'network/false-answers': {
    what: 'DNS answers that match no question',
    notYet: 'the helper asks the system’s resolver (DNS proxy)',
  },
  'network/hostile-server': {
    what: 'A server that pushes routes, DNS servers or an MTU',
    notYet: 'WireGuard’s pushes nothing (AnyConnect)',
  },
  'network/tunnelvision': {
    what: 'TunnelVision: routes by DHCP that win over the tunnel',
    notYet: 'more specific routes of the machine win until the kill switch (Sessions)',
  },
  'network/tunnelcrack': {
    what: 'TunnelCrack: local networks and the server’s name',
    notYet: 'on-link networks stay reachable until the kill switch (Sessions)',
  },
  'network/probing': {
    what: 'Packets for the tunnel’s address on another interface',
    notYet: 'nothing filters them until the kill switch (Sessions)',
  },
} as const satisfies Readonly<Record<`${keyof typeof groups}/${string}`, AttackLine>>;

export type AttackId = keyof typeof attacks;

/** @throws {Error} the table does not say that `test/attack` mounts it */
export function expectedOf(id: AttackId): Outcome {
  const line: AttackLine = attacks[id];
  if (!('outcome' in line)) throw new Error(`The table does not say that ${id} is mounted here.`);
  return line.outcome;
}
