/** A listening Unix socket. It keeps the process alive until `stop`. */
export declare class EndpointListener {
  /**
   * Listens. `onEvent` is called on JavaScript's thread, in order for each connection; a connection whose
   * frames it does not keep up with is not read further. Throws `INVALID_ARGUMENT`, `ADDRESS_IN_USE`,
   * `DIRECTORY_UNSAFE`, `PERMISSION` or `ENDPOINT_FAILED`.
   */
  static listen(options: EndpointOptions, onEvent: (event: EndpointEvent) => void): EndpointListener
  /**
   * Lets a held connection speak: sends it a nonce, which its first frame must bring back; that frame is not
   * delivered. Returns false if the connection is gone, its process has ended, or it was released before. Throws
   * `ENDPOINT_FAILED` if the kernel gives no random bytes.
   */
  release(connectionId: number): boolean
  /**
   * Sends a last frame and ends a connection, of which nothing is read any more; `closed` follows with this
   * reason when the other end has gone or has had half a second to read.
   */
  refuse(connectionId: number, data: Uint8Array, reason: string): void
  /**
   * Whether the pinned process lives and runs the very file that it ran when it was accepted. False also if that
   * file could not be read then, and if the connection is gone.
   */
  isUnchanged(connectionId: number): boolean
  /**
   * Sends a frame. Returns false if the connection is gone, or ends because it did not read and more would
   * wait than `maxQueuedBytes` or the bound of its uid. Throws `INVALID_ARGUMENT` for an empty payload or one over `maxFrameBytes`.
   */
  send(connectionId: number, data: Uint8Array): boolean
  /**
   * Sends several frames at once, each given with its four bytes of length before it. Otherwise as `send`;
   * throws `INVALID_ARGUMENT` as well if they do not end where the last frame does.
   */
  sendTogether(connectionId: number, frames: Uint8Array): boolean
  /** Ends a connection; `closed` follows with this reason. What waits to be sent is lost. */
  close(connectionId: number, reason: string): void
  /**
   * Removes the socket and ends all connections: when it returns nobody can reach the endpoint and its
   * descriptors are closed. Events that were on their way follow, `closed` of every connection among them.
   * A second stop does nothing.
   */
  stop(): void
}

/** Watches the network namespace in which it was started. It does not keep the process alive. */
export declare class NetworkMonitor {
  /**
   * Calls `onChange` after interfaces, addresses or routes changed: about 50 ms after the last change of a
   * burst, and every 250 ms during one that goes on. What changed has to be looked up.
   */
  static start(onChange: () => void): NetworkMonitor
  /** Ends the watching; a call that was already on its way may still arrive. A second stop does nothing. */
  stop(): void
}

/** Asks polkit, many questions at once. It does not keep the process alive. */
export declare class Polkit {
  /**
   * Starts a thread that waits for questions; the bus is looked for at the first one. `onAnswer` is called once
   * for each question, unless `stop` comes first. Throws `BUS_FAILED`.
   */
  static start(onAnswer: (answer: PolkitAnswer) => void): Polkit
  /**
   * Asks. `id` is the caller's, and not that of a question that is open. Throws `INVALID` for a question that
   * cannot be asked.
   */
  check(id: number, question: PolkitQuestion): void
  /**
   * Takes a question back: its dialog closes, and it is answered with `dismissed` unless another answer was
   * faster. One that is not open is left alone.
   */
  cancel(id: number): void
  /** Ends everything; no answer comes any more. A second stop does nothing. */
  stop(): void
}

/**
 * A TUN interface of the calling process's network namespace.
 *
 * It appears, down and without addresses, with `Tun.open` and vanishes with `close` or garbage collection.
 * One data plane at a time carries its packets: a `WireGuardDevice` or a `TunFlow`.
 */
export declare class Tun {
  /**
   * Creates an interface. `name`: 1 to 15 characters of `A-Z a-z 0-9 . _ -`, not in use.
   *
   * Throws `INVALID_ARGUMENT`, `TUN_UNAVAILABLE` (no `/dev/net/tun`), `TUN_PERMISSION`, `TUN_BUSY` (the name
   * is taken) or `TUN_FAILED`.
   */
  static open(name: string): Tun
  /** The interface's name. */
  get name(): string
  /** The interface's index, as netlink knows it. */
  get index(): number
  /** Removes the interface. Closing twice does nothing; closing under a running data plane throws `TUN_BUSY`. */
  close(): void
}

/**
 * The packets of a TUN interface, for a provider written in TypeScript.
 *
 * Reading: the interface's packets are laid into slots, buffers of at least `SLOT_BYTES_MIN` bytes that
 * JavaScript allocates once. A slot begins with a table of `SLOT_PACKETS_MAX` unsigned 32-bit little-endian
 * numbers: number `i` is the offset, from the slot's start, at which packet `i` ends. Packet 0 starts at
 * `SLOT_TABLE_BYTES`, every other where the one before ends. A slot belongs to JavaScript from the call of
 * `onBatch` until `release`; without a free slot the interface is not read, and the kernel's queue drops.
 *
 * The slots' memory must stay where it is until `stop`: mark it with `markAsUntransferable`, as `load.ts`
 * does.
 */
export declare class TunFlow {
  /**
   * Starts reading `tun` into `slots` (1 to 256, not overlapping). `onBatch` is called from the event loop
   * with a slot's number, the count of its packets and their bytes together; `onFailed` once, when the
   * interface is gone. Neither keeps the process alive, and neither is called after `stop`.
   *
   * Throws `INVALID_ARGUMENT`, `TUN_BUSY`, `TUN_FAILED`, `STOPPED` or `FAILED`.
   */
  static start(tun: Tun, slots: ReadonlyArray<Buffer>, onBatch: (slot: number, count: number, byteLength: number) => void, onFailed?: (message: string) => void): TunFlow
  /**
   * Gives a slot back. Throws `INVALID_ARGUMENT` for a slot that JavaScript does not have; after `stop` it
   * does nothing.
   */
  release(slot: number): void
  /**
   * Writes `count` packets of `buffer` to the interface and returns how many it took. Packet `i` ends before
   * `ends[i]`; packet 0 starts at `start` (0 if absent), every other where the one before ends: a slot and
   * its table can be written to another interface as they are. What is no whole IP packet is counted and
   * left out; from an end that makes no sense on, all is.
   *
   * Throws `INVALID_ARGUMENT` if `ends` has fewer than `count` entries, `STOPPED` after `stop`, `TUN_FAILED`
   * when the interface is gone.
   */
  write(buffer: Buffer, ends: Uint32Array, count: number, start?: number | undefined | null): number
  /** What the flow did since it started. */
  statistics(): TunFlowStatistics
  /**
   * Ends the flow: the slots are JavaScript's alone again, the TUN is free for another data plane. Stopping
   * twice does nothing.
   */
  stop(): void
}

/**
 * Seals secrets under one master key.
 *
 * The key lies in memory that is neither swapped nor dumped nor inherited, and is wiped with the vault. Each
 * sealed secret is bound to its name. Functions throw `INVALID_ARGUMENT`, `SEAL_FAILED`, `SECRET_UNREADABLE` and
 * `STOPPED`.
 */
export declare class Vault {
  /** A vault with a new random key. */
  static generate(): Vault
  /** A vault with the given key of 32 bytes, which is wiped from the buffer, also when this throws. */
  static open(key: Uint8Array): Vault
  /**
   * A vault with the key that a program prints when it is given `wrapped`. Waits for it, at most
   * `timeoutMs`; the key goes from its pipe into locked memory.
   */
  static unwrap(program: string, arguments: Array<string>, wrapped: Uint8Array, timeoutMs: number): Vault
  /**
   * What a program makes of the key, which it gets through its standard input. Waits for it, at most
   * `timeoutMs`.
   */
  wrap(program: string, arguments: Array<string>, timeoutMs: number): Buffer
  /** A copy of the key, for the file that keeps it where nothing better does. Wipe it after use. */
  exportKey(): Buffer
  /** Whether both hold the same key. */
  equals(other: Vault): boolean
  /** Whether the kernel keeps the key out of swap and dumps; false where a limit on locked memory forbade it. */
  get isLocked(): boolean
  /** Encrypts a secret of at most 1 MiB for a name. */
  seal(name: string, secret: Uint8Array): Buffer
  /** Decrypts a secret that was sealed for the same name. Wipe it after use. */
  unseal(name: string, sealed: Uint8Array): Buffer
  /** Wipes the key now. Afterwards nothing can be sealed or unsealed; closing twice does nothing. */
  close(): void
}

/**
 * A WireGuard device on a TUN interface. It works on threads of its own from `start` to `stop`.
 *
 * Functions throw errors with the codes `INVALID_ARGUMENT`, `KEY_UNAVAILABLE`, `KEY_REFUSED`, `TUN_BUSY`,
 * `TUN_FAILED`, `PORT_IN_USE`, `SOCKET_FAILED`, `SECRET_UNREADABLE`, `STOPPED` and `FAILED`.
 */
export declare class WireGuardDevice {
  /**
   * Starts carrying packets between `tun` and the peers, and begins a handshake with every peer that has an
   * endpoint. `onEvent` is called from the event loop, never after `stop`, and does not keep the
   * process alive. With a vault the key files are what it sealed.
   */
  static start(tun: Tun, config: WireGuardDeviceConfig, onEvent: (event: WireGuardEvent) => void, vault?: Vault | null): WireGuardDevice
  /**
   * Replaces keys, peers, allowed IPs, preshared keys, keepalives, port and mark. Sessions of peers that stay
   * go on, unless the private key changed. New peers with an endpoint are contacted at once. `mtu` only
   * counts at the start.
   */
  configure(config: WireGuardDeviceConfig, vault?: Vault | null): void
  /**
   * Binds new sockets to the same port, drops all sessions and begins new handshakes: for after a change of
   * network or a sleep.
   */
  roam(): void
  /**
   * Sends a peer's packets to another endpoint, given as in the configuration, and begins a handshake unless
   * a fresh session exists.
   */
  setPeerEndpoint(publicKey: string, endpoint: string): void
  /** What the device did since it started. Counts of a removed peer go with it. */
  statistics(): WireGuardStatistics
  /**
   * Ends the device. Afterwards its threads, sockets and descriptors are gone and the TUN is free for
   * another. Stopping twice does nothing.
   */
  stop(): void
}

/**
 * Gives an interface the address `192.0.2.1/24`. IPv6 addresses are usable at once: duplicates are not looked
 * for (`IFA_F_NODAD`), since a tunnel has no neighbours. Throws `EXISTS`, or `NOT_FOUND` without the interface.
 */
export declare function addressAdd(index: number, cidr: string, options?: AddressOptions | undefined | null): void

/** The addresses of one interface, or of all. */
export declare function addresses(index?: number | undefined | null): Array<InterfaceAddress>

/** How `addressAdd` adds. */
export interface AddressOptions {
  /** Keeps the kernel from adding the prefix's route to the main table. */
  noPrefixRoute?: boolean
}

/** Takes an address from an interface. Throws `NOT_FOUND` when it is not there. */
export declare function addressRemove(index: number, cidr: string): void

/**
 * Makes the file or directory `source`, with all that is mounted below, appear at `target` as well. `target`
 * must exist and be of the same kind.
 */
export declare function bindMount(source: string, target: string): void

/**
 * Keeps secrets out of core dumps for good: no core file (`RLIMIT_CORE` 0, hard limit too), and not dumpable,
 * which also closes `/proc/PID/mem` and ptrace to other processes of the same uid.
 */
export declare function disableCoreDumps(): void

/** The effective uid. */
export declare function effectiveUid(): number

/** What happened on the endpoint. */
export type EndpointEvent =
  | { kind: 'connection'; /** Names the connection in all that follows. */
    connectionId: number; /** Who it is. */
  peer: EndpointPeer }
  | { kind: 'frames'; /** The connection they came on. */
    connectionId: number; /** Their payloads in order, none empty. */
  payloads: Buffer[] }
  | { kind: 'closed'; /** The connection. */
    connectionId: number; /**
     * `prematureFrame`, `wrongNonce`, `peerClosed`, `peerExited`, `frameTooLarge`, `emptyFrame`,
     * `handshakeTimeout`, `frameTimeout`, `senderMismatch`, `unexpectedDescriptors`, `slowReader`, `stopped`,
     * `failed`, or what `close` or `refuse` was told.
     */
  reason: string }
  | { kind: 'refused'; /**
     * `tooManyConnections`, `tooFast`, `peerGone` or `foreignNamespace`. If nothing could be accepted for a
     * moment, whoever waited: `noResources` (descriptors or memory), `acceptDenied` (by a security module) or
     * `acceptFailed`.
     */
    reason: string; /** 0 for a process that this pid namespace does not show; null for one that could not be accepted. */
    pid: number | null; /** Its uid, as this user namespace maps it; null likewise. */
    uid: number | null; /** How many more were turned away, since the last report, of whom nothing is said. */
  unreported: number }
  | { kind: 'failed'; /** What the kernel answered. */
  reason: string }

/** Where and how to listen. */
export interface EndpointOptions {
  /**
   * Absolute path of the socket, at most 107 bytes. Every directory above it must belong to root or this uid and
   * be writable by no one else; only above the last one sticky ones may be.
   */
  path: string
  /** Permissions of the socket, such as `0o666`; the umask does not narrow them. */
  mode: number
  /** Largest payload in either direction, in bytes; 1 to 268435456. */
  maxFrameBytes: number
  /** Connections at once, the last eighth of them for root alone; 1 to 65536. More are closed at once. */
  maxConnections: number
  /** Connections at once of any one uid but root; 1 to 65536. More are closed at once. */
  maxConnectionsPerUid: number
  /** Connections that a uid other than root may make in one go; 1 to 65536. */
  connectBurst: number
  /** Connections a second that such a uid may make after that; 1 to 65536. More are closed at once. */
  connectsPerSecond: number
  /** Payload that is sent to those who are closed at once for these bounds; nothing unless told. */
  busyPayload?: Buffer
  /** Bytes that may wait for one connection to read them, besides what the kernel holds (about 200 KB). */
  maxQueuedBytes: number
  /** Memory for such bytes on all connections of any one uid but root; 0 to 1073741824. */
  maxQueuedBytesPerUid: number
  /** The same of root; 0 to 1073741824. */
  maxQueuedBytesOfRoot: number
  /**
   * Time from the beginning of a connection until the frame after its nonce is complete, and for any later frame
   * from its first byte to its last; 1 to 3600000.
   */
  handshakeTimeoutMs: number
  /** Turns away processes of other user and pid namespaces, and those whose namespaces cannot be read. */
  requireSameNamespaces: boolean
  /**
   * How many descriptors from 3 on the service manager passed (`LISTEN_FDS`). If one of them listens on `path`, it
   * is used and its file stays when this listener stops; 0 to 1024, none unless told.
   */
  inheritedDescriptors?: number
  /** Does without what Linux 6.5 (`SO_PEERPIDFD`) and 6.16 (`SO_PASSRIGHTS`) brought, to test what older ones get. */
  olderKernel?: boolean
}

/** The process at the other end, pinned when its connection was accepted. */
export interface EndpointPeer {
  /** Its number in this pid namespace. */
  pid: number
  /** Its effective uid when it connected, as this user namespace maps it. */
  uid: number
  /** Its effective gid likewise. */
  gid: number
  /** Path of what it was running when it was accepted; null when that cannot be read. */
  executable: string | null
  /** Why `executable` is null; null otherwise. */
  executableError: string | null
  /** Uid that owns the executable file. */
  executableOwner: number | null
  /** Permission bits of the executable file, with setuid, setgid and sticky. */
  executableMode: number | null
  /** Device number of the executable file, decimal, as `fs.stat` with `bigint` gives it. */
  executableDevice: string | null
  /** Inode number of the executable file, decimal. */
  executableInode: string | null
  /** Whether the path no longer leads to that very file: deleted, replaced, or seen from elsewhere. */
  executableDeleted: boolean
  /** False also when it cannot be seen. */
  sameUserNamespace: boolean
  /** False also when it cannot be seen. */
  samePidNamespace: boolean
  /** When it began, in clock ticks since boot, decimal; null when that cannot be read. */
  startTime: string | null
}

/** Creates a file, mode 0600, with a new private key. An existing file is left alone: `KEY_UNAVAILABLE`. */
export declare function generatePrivateKey(path: string): void

/** An address of an interface. */
export interface InterfaceAddress {
  /** The interface that has it. */
  interfaceIndex: number
  /** 4 or 6. */
  family: 4 | 6
  /** The interface's own address. */
  address: string
  /** Bits of the prefix that it shares with its link. */
  prefixLength: number
  /** Whether IPv6 still looks for another holder of it (`IFA_F_TENTATIVE`): it cannot be used yet. */
  tentative: boolean
}

/** A network interface of this network namespace. */
export interface Link {
  /** The kernel's number for it; never used twice while the system runs, except after wrapping around. */
  index: number
  /** Its name, at most 15 bytes. */
  name: string
  /** Largest IP packet that it takes, in bytes. */
  mtu: number
  /** Whether it is set up (`IFF_UP`), which says nothing about a carrier. */
  up: boolean
  /** Its driver as `ip -d link` calls it (`tun`, `wireguard`, `veth`, …); null for plain hardware and loopback. */
  kind: string | null
  /** `IFF_*` bits of netdevice(7). */
  flags: number
}

/** The interface called `name`, or null. */
export declare function linkByName(name: string): Link | null

/** What `linkSet` changes; what is missing stays as it is. */
export interface LinkChange {
  /** Largest IP packet, in bytes. */
  mtu?: number
  /** Sets the interface up or down. */
  up?: boolean
}

/** Removes an interface with its addresses and routes. Throws `NOT_FOUND` when it is gone. */
export declare function linkDelete(index: number): void

/** All interfaces of this network namespace. */
export declare function links(): Array<Link>

/** Changes MTU and state of an interface in one request. Throws `NOT_FOUND` when it is gone. */
export declare function linkSet(index: number, change: LinkChange): void

/**
 * Cuts this mount namespace off: what is mounted here later is seen nowhere else. Only of use after
 * `unshare --mount`; the caller makes sure that it is in a namespace of its own.
 */
export declare function makeMountsPrivate(): void

/**
 * Mounts an empty tmpfs over `path`, without devices and setuid files. `options` are tmpfs(5)'s, such as
 * `mode=0755,size=16m`.
 */
export declare function mountTmpfs(path: string, options: string): void

/**
 * The inode number that identifies the calling thread's namespace of a kind: the number that
 * `readlink /proc/thread-self/ns/KIND` shows in brackets.
 */
export declare function namespaceId(kind: 'net' | 'user' | 'mnt' | 'pid'): number

/**
 * Whether NetworkManager runs now. It is not started by asking. False as well without a bus, or when the bus
 * does not answer within 2 s.
 */
export declare function networkManagerAvailable(): boolean

/**
 * Makes NetworkManager read its configuration files again, so that it sees which interfaces it must leave alone.
 * At most 2 s.
 */
export declare function networkManagerReload(): void

/** What a PKCS#12 file held, or why it could not be read. */
export interface Pkcs12Content {
  /** `wrongPassword`, `malformedFile`, `unsupportedAlgorithm` or `tooLarge`; absent when it was read. */
  problem?: string
  /** Private keys, RSA or EC, as PKCS#8 in DER, in the file's order. Wipe them after use. */
  keys: Array<Buffer>
  /** X.509 in DER, in the file's order. */
  certificates: Array<Buffer>
}

/** polkit's answer. */
export interface PolkitAnswer {
  /** Which question it answers. */
  id: number
  /**
   * `authorized`; `challenge`: a person would have to be asked and was not; `denied`; `dismissed`: the dialog was
   * closed or the question taken back; `refused`: polkitd does not answer such a question, `message` says why;
   * `failed`: there is no answer, or one that makes no sense.
   */
  outcome: 'authorized' | 'challenge' | 'denied' | 'dismissed' | 'refused' | 'failed'
  /** Of `refused` and `failed`; otherwise empty. */
  message: string
}

/** A question for polkit. */
export interface PolkitQuestion {
  /** The process that wants to do something. */
  pid: number
  /** Its start, in clock ticks since boot, in decimal (field 22 of /proc/PID/stat): polkitd compares. */
  startTime: string
  /** Its uid, as the kernel named it: polkitd takes it as it is given. */
  uid: number
  /** The action's id. */
  actionId: string
  /** Whether a person may be asked for a password. */
  interactive: boolean
}

/** The public key, in base64, of the private key in a file. Throws `KEY_UNAVAILABLE` or `KEY_REFUSED`. */
export declare function publicKeyOf(privateKeyFile: string): string

/**
 * Reads a PKCS#12 file of at most 256 KiB with its password in UTF-8. Both are copied; the copies are wiped.
 *
 * At most ten million iterations are spent on a file, whatever it asks for.
 */
export declare function readPkcs12(file: Uint8Array, password: Uint8Array): Promise<Pkcs12Content>

/**
 * Whether systemd-resolved runs now. It is not started by asking. False as well without a bus, or when the bus
 * does not answer within 2 s.
 */
export declare function resolvedAvailable(): boolean

/** A domain that an interface's servers know. */
export interface ResolvedDomain {
  /** Without a trailing dot; `.` alone is every domain. */
  domain: string
  /** Only decides which servers are asked; it is not appended to short names. */
  routingOnly: boolean
}

/** The DNS of an interface. */
export interface ResolvedLink {
  /** The interface's index. */
  index: number
  /** Addresses of its servers, in order. */
  servers: Array<string>
  /** Its search and routing domains. */
  domains: Array<ResolvedDomain>
  /** Whether its servers are asked for names that no domain of any interface claims. */
  defaultRoute: boolean
}

/**
 * Takes all DNS settings of an interface back, and flushes the caches. Throws `NOT_FOUND` when resolved does not
 * know it any more. At most 2 s.
 */
export declare function resolvedRevertLink(index: number): void

/**
 * Sets servers, domains and default route of an interface, in this order, and flushes the caches. What fails in
 * the middle leaves the calls before it in force: `resolvedRevertLink` takes them back. At most 2 s.
 */
export declare function resolvedSetLink(link: ResolvedLink): void

/** A route as the kernel has it. */
export interface Route {
  /** 4 or 6. */
  family: 4 | 6
  /** The network it leads to; `0.0.0.0/0` or `::/0` for everything. */
  destination: string
  /** The interface it leads through; null where it leads nowhere, or through several. */
  interfaceIndex: number | null
  /** The next router, if any. */
  gateway: string | null
  /** Number of its table; 254 is the main one. */
  table: number
  /** Lower wins; null where it has none (IPv4's 0). */
  metric: number | null
  /** `unicast`, `unreachable`, `blackhole`, `prohibit`, `local`, `broadcast`, `anycast`, `multicast`, `throw` or `other`. */
  kind: string
  /** `global`, `site`, `link`, `host`, `nowhere` or a number. */
  scope: string
  /** Who made it (`RTPROT_*` of rtnetlink(7)): 2 the kernel, 4 `static`, which is ours. */
  protocol: number
}

/**
 * Adds a route, marked `static`. Throws `EXISTS` when its table has one of that destination and metric,
 * `NOT_FOUND` when the interface is gone.
 */
export declare function routeAdd(route: RouteSpecification): void

/** Which routes to list. */
export interface RouteFilter {
  /** Of this table alone. */
  table?: number
  /** Of this family alone. */
  family?: 4 | 6
}

/**
 * Removes a route that `routeAdd` added with the same words; routes of other programs stay, because theirs are
 * not marked `static` or lead elsewhere. Throws `NOT_FOUND` when there is none.
 */
export declare function routeRemove(route: RouteSpecification): void

/** Routes of all tables, or of the table and family asked for; the kernel's cache is left out. */
export declare function routes(filter?: RouteFilter | undefined | null): Array<Route>

/** A route to add or remove. */
export interface RouteSpecification {
  /** The network, without bits behind its prefix. */
  destination: string
  /** The interface it leads through; required for `unicast`. */
  interfaceIndex?: number
  /** The next router, of the destination's family. */
  gateway?: string
  /** Number of its table, 1 to 4294967295. */
  table: number
  /** Lower wins. */
  metric?: number
  /** What happens to its packets. */
  kind: 'unicast' | 'unreachable' | 'blackhole' | 'prohibit' | 'throw'
  /** How far away its destination is; by default `link` for IPv4 without a gateway, else `global`. */
  scope?: 'global' | 'link' | 'host'
}

/** A rule as the kernel has it. */
export interface Rule {
  /** 4 or 6. */
  family: 4 | 6
  /** Lower is asked first. */
  priority: number
  /** Packets with this mark; null for any. */
  fwmark: number | null
  /** Bits of the mark that count; null without a mark. */
  fwmarkMask: number | null
  /** Whether it holds for the packets that do *not* match. */
  invert: boolean
  /** The table it leads to; null where it leads to none. */
  table: number | null
  /** Routes of this prefix length or less are passed over; null for none. */
  suppressPrefixLength: number | null
  /** Packets from this network; null for any. */
  source: string | null
  /** Packets to this network; null for any. */
  destination: string | null
  /** Packets that came in there; null for any. */
  inputInterface: string | null
  /** Packets of sockets bound there; null for any. */
  outputInterface: string | null
  /** `table`, `goto`, `nop`, `blackhole`, `unreachable`, `prohibit` or `other`. */
  action: string
  /** Who made it (`RTPROT_*` of rtnetlink(7)): 2 the kernel, 4 `static`, which is ours. */
  protocol: number
}

/** Adds a rule, marked `static`. Throws `EXISTS` when the very same is there. */
export declare function ruleAdd(rule: RuleSpecification): void

/**
 * Removes the rule that `ruleAdd` added with the same words. Throws `NOT_FOUND` when there is none, and
 * `INVALID` when the kernel would take another of the same priority in its place.
 */
export declare function ruleRemove(rule: RuleSpecification): void

/** The rules of a family, in the order in which the kernel asks them. */
export declare function rules(family: 4 | 6): Array<Rule>

/** A rule to add or remove. */
export interface RuleSpecification {
  /** 4 or 6. */
  family: 4 | 6
  /** Lower is asked first; 1 to 4294967295. */
  priority: number
  /** Packets with this mark. */
  fwmark?: number
  /** Bits of the mark that count; all by default. */
  fwmarkMask?: number
  /** Holds for the packets that do *not* match. */
  invert?: boolean
  /** The table to ask; the main one by default. */
  table?: number
  /** Passes over routes of this prefix length or less: 0 hides default routes. */
  suppressPrefixLength?: number
  /** Packets from this network. */
  source?: string
  /** Packets to this network. */
  destination?: string
}

/** Smallest slot, in bytes. */
export declare const SLOT_BYTES_MIN: number

/** Most packets in one slot. */
export declare const SLOT_PACKETS_MAX: number

/** Length of the table of ends at the start of each slot, in bytes. */
export declare const SLOT_TABLE_BYTES: number

/** What a flow did so far. Counts are of packets unless they say otherwise. */
export interface TunFlowStatistics {
  /** Packets handed to JavaScript. */
  read: number
  /** Their bytes. */
  readBytes: number
  /** Packets written to the interface. */
  written: number
  /** Their bytes. */
  writtenBytes: number
  /** What `write` was given and is no whole IP packet. Dropped. */
  malformedFromProvider: number
  /** Frames read from the interface that held no whole IP packet. Dropped. */
  malformedFromTunnel: number
  /** Packets that the interface refused, and frames too finely segmented for a slot. */
  dropped: number
}

/**
 * A WireGuard device. Keys are named by files, never given: a key file is a regular file (no link), belongs to
 * the effective user and grants nothing to group or others. Without a vault it holds exactly 32 raw bytes, with
 * one what the vault sealed for `secret/` and the file's name.
 */
export interface WireGuardDeviceConfig {
  /** Path of the private key's file. */
  privateKeyFile: string
  /** UDP port to listen on. 0 or absent at the start: a random one; absent later: the same as before. */
  listenPort?: number
  /** Mark of every packet the device sends (`SO_MARK`). 0 or absent: none. */
  fwmark?: number
  /** The interface's MTU at the start, in bytes. Later changes of the interface are followed by themselves. */
  mtu: number
  /** The peers, each with its own public key. */
  peers: ReadonlyArray<WireGuardPeerConfig>
}

/** Something that happened to a WireGuard device. */
export type WireGuardEvent =
  | { kind: 'handshake'; publicKey: string; endpoint: string }
  | { kind: 'handshakeFailed'; publicKey: string }
  | { kind: 'endpointChanged'; publicKey: string; endpoint: string }
  | { kind: 'failed'; message: string }

/** One peer of a WireGuard device. */
export interface WireGuardPeerConfig {
  /** Its public key in base64, 44 characters. */
  publicKey: string
  /** Path of the preshared key's file, if there is one. The same rules hold as for the private key's. */
  presharedKeyFile?: string
  /**
   * Networks in CIDR notation that are routed to it, and that it may send from. A network given to two
   * peers belongs to the later one.
   */
  allowedIps: ReadonlyArray<string>
  /**
   * Where to reach it: `192.0.2.1:51820` or `[2001:db8::1]:51820`, already resolved. Absent: it has to
   * come to us first.
   */
  endpoint?: string
  /** Seconds between keepalives, 1 to 65535. 0 or absent: none. */
  persistentKeepalive?: number
}

/** What passed between a WireGuard device and one peer. */
export interface WireGuardPeerStatistics {
  /** The peer's public key in base64. */
  publicKey: string
  /** Where packets to it go. */
  endpoint: string | null
  /** When the latest handshake completed, in milliseconds since 1970. */
  latestHandshakeMs: number | null
  /** Bytes of packets and handshake messages received from it. */
  receivedBytes: number
  /** Bytes of packets and handshake messages sent to it. */
  sentBytes: number
}

/** What a WireGuard device did so far. */
export interface WireGuardStatistics {
  /** The UDP port it listens on, 0 while it has no peers. */
  listenPort: number
  /** Each peer's share, in no particular order. */
  peers: Array<WireGuardPeerStatistics>
  /** Bytes received from all present peers. */
  receivedBytes: number
  /** Bytes sent to all present peers. */
  sentBytes: number
  /** Datagrams that were no WireGuard message. Dropped. */
  malformedFromNetwork: number
  /** Frames read from the interface that held no whole IP packet. Dropped. */
  malformedFromTunnel: number
  /**
   * Data messages that the engine refused: failed authentication, replay, no session, a content that is no
   * IP packet, or a source outside the peer's allowed IPs. Brought up to date while no datagram has come
   * for 20 ms.
   */
  refusedFromNetwork: number
  /** Packets lost at a full queue, a failed send or a refused write to the interface. */
  dropped: number
}
