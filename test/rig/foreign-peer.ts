import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import type { Background } from './background.ts';
import { MissingPrerequisite } from './missing-prerequisite.ts';
import { run, succeeds } from './run.ts';
import { ensureWireGuardGo, startWireGuardGo } from './wireguard-go.ts';

export interface AllowedClient {
  readonly publicKey: string;
  readonly presharedKey?: string;
  /** CIDR notation. */
  readonly allowedIPs: readonly string[];
}

/** All that a WireGuard device is told. */
export interface DeviceConfiguration {
  readonly privateKey: string;
  readonly listenPort: number;
  readonly clients: readonly AllowedClient[];
}

export interface ClientStatistics {
  readonly publicKey: string;
  /** `address:port` last heard from, or null. */
  readonly endpoint: string | null;
  /** Seconds since 1970; 0 if there was no handshake. */
  readonly latestHandshake: number;
  /** Bytes, as the peer counts them. */
  readonly received: number;
  readonly sent: number;
}

/** A WireGuard device that runs; disposing of it ends its process and removes its interface. */
export interface RunningPeer extends AsyncDisposable {
  /** Replaces the configuration; key and port never change, sessions of clients that stay are not disturbed. */
  configure(configuration: DeviceConfiguration): Promise<void>;
  statistics(): Promise<readonly ClientStatistics[]>;
}

/** An implementation of WireGuard that can play the peer. */
export interface PeerImplementation {
  readonly name: string;
  /** Makes the interface inside the namespace; it is configured, given addresses and set up afterwards. */
  start(namespace: string, interfaceName: string): Promise<RunningPeer>;
}

/**
 * The foreign implementation to test against: the kernel's, else wireguard-go. Must run inside private
 * namespaces.
 *
 * @throws {MissingPrerequisite} there is none
 */
export async function requireForeignPeer(): Promise<PeerImplementation> {
  if (await kernelHasWireGuard()) return kernelPeer;
  await ensureWireGuardGo();
  return wireGuardGoPeer;
}

/** As {@link requireForeignPeer}, or null if there is none; a caller that goes on without must say so. */
export async function foreignPeer(): Promise<PeerImplementation | null> {
  return requireForeignPeer().catch((error: unknown) => {
    if (error instanceof MissingPrerequisite) return null;
    throw error;
  });
}

async function kernelHasWireGuard(): Promise<boolean> {
  const name = 'wg-probe';
  if (!(await succeeds('ip', ['link', 'add', name, 'type', 'wireguard']))) return false;
  await run('ip', ['link', 'delete', name]);
  return true;
}

/**
 * Lends lines to `wg` as a file, which lies in the private `/run`: wg opens its input by path, and Node's pipes
 * are sockets, which have none.
 */
export async function withWgFile<T>(lines: readonly string[], use: (path: string) => Promise<T>): Promise<T> {
  const path = `/run/rig-${randomUUID()}.conf`;
  await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600 });
  try {
    return await use(path);
  } finally {
    await rm(path);
  }
}

/** A device that `wg` can talk to. */
abstract class WireGuardToolsPeer implements RunningPeer {
  readonly #known = new Set<string>();
  #port: number | null = null;
  readonly namespace: string;
  readonly interfaceName: string;

  constructor(namespace: string, interfaceName: string) {
    this.namespace = namespace;
    this.interfaceName = interfaceName;
  }

  async configure(configuration: DeviceConfiguration): Promise<void> {
    if (this.#port !== configuration.listenPort) {
      const lines = [configuration.privateKey];
      const port = String(configuration.listenPort);
      await withWgFile(lines, (path) =>
        this.#wg(['set', this.interfaceName, 'private-key', path, 'listen-port', port]),
      );
      this.#port = configuration.listenPort;
    }
    // wireguard-go opens its socket anew whenever the port is set: only what differs is told.
    const wanted = new Set(configuration.clients.map((client) => client.publicKey));
    for (const gone of [...this.#known].filter((publicKey) => !wanted.has(publicKey))) {
      await this.#wg(['set', this.interfaceName, 'peer', gone, 'remove']);
      this.#known.delete(gone);
    }
    const added = configuration.clients.filter((client) => !this.#known.has(client.publicKey));
    if (added.length === 0) return;
    const lines = added.flatMap((client) => [
      '[Peer]',
      `PublicKey = ${client.publicKey}`,
      ...(client.presharedKey === undefined ? [] : [`PresharedKey = ${client.presharedKey}`]),
      `AllowedIPs = ${client.allowedIPs.join(', ')}`,
    ]);
    await withWgFile(lines, (path) => this.#wg(['addconf', this.interfaceName, path]));
    for (const { publicKey } of added) this.#known.add(publicKey);
  }

  async statistics(): Promise<readonly ClientStatistics[]> {
    const [, ...clients] = (await this.#wg(['show', this.interfaceName, 'dump'])).trimEnd().split('\n');
    return clients.map((line) => {
      const [publicKey = '', , endpoint, , handshake, received, sent] = line.split('\t');
      return {
        publicKey,
        endpoint: endpoint === undefined || endpoint === '(none)' ? null : endpoint,
        latestHandshake: Number(handshake),
        received: Number(received),
        sent: Number(sent),
      };
    });
  }

  abstract [Symbol.asyncDispose](): Promise<void>;

  #wg(args: readonly string[]): Promise<string> {
    return run('ip', ['netns', 'exec', this.namespace, 'wg', ...args]);
  }
}

class KernelWireGuard extends WireGuardToolsPeer {
  async [Symbol.asyncDispose](): Promise<void> {
    await run('ip', ['-n', this.namespace, 'link', 'delete', this.interfaceName]);
  }
}

const kernelPeer: PeerImplementation = {
  name: "the kernel's WireGuard",
  async start(namespace, interfaceName) {
    await run('ip', ['-n', namespace, 'link', 'add', interfaceName, 'type', 'wireguard']);
    return new KernelWireGuard(namespace, interfaceName);
  },
};

/**
 * One process serves clients of one address family on the cable: it sends from pooled addresses, and one that
 * last held IPv4 sends to garbage when it is reused for IPv6 (`copy` before the slice grows, conn/bind_std.go).
 * Restart the peer before a client of the other family.
 */
class WireGuardGo extends WireGuardToolsPeer {
  readonly #process: Background;

  private constructor(namespace: string, interfaceName: string, process: Background) {
    super(namespace, interfaceName);
    this.#process = process;
  }

  static async start(namespace: string, interfaceName: string): Promise<WireGuardGo> {
    return new WireGuardGo(namespace, interfaceName, await startWireGuardGo(interfaceName, namespace));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop();
  }
}

const wireGuardGoPeer: PeerImplementation = {
  name: 'wireguard-go',
  start: (namespace, interfaceName) => WireGuardGo.start(namespace, interfaceName),
};
