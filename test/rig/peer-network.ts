import { writeFile } from 'node:fs/promises';
import { Background } from './background.ts';
import { makeClientConf, type ClientConf, type ClientConfOptions } from './client-conf.ts';
import type { DnsQuery, DnsRecords } from './dns-server.ts';
import {
  requireForeignPeer,
  type ClientStatistics,
  type PeerImplementation,
  type RunningPeer,
} from './foreign-peer.ts';
import { assertPrivateNamespaces } from '@sallyport/helper/developer/private-namespaces.ts';
import { PeerServices } from './peer-services-client.ts';
import { intranetName, pageText, peerName, peerPort, peerSites, type PeerSite } from './peer-site.ts';
import { run, succeeds } from './run.ts';
import { waitUntil } from './wait.ts';
import { generateKeyPair } from './wireguard-keys.ts';

export interface PeerNetworkOptions {
  /** Which of the two sites; 0, the client's default gateway, unless told. */
  readonly site?: 0 | 1;
  /** Who plays the peer; {@link requireForeignPeer} chooses unless told. */
  readonly implementation?: PeerImplementation;
  /**
   * Milliseconds that the cable adds to a round trip; 0 unless told. Needs the kernel's sch_netem: see
   * {@link PeerNetwork.delay} for whether it was there.
   */
  readonly delay?: number;
}

/**
 * A peer to connect to: a namespace at the other end of a cable, with a WireGuard device, and behind that a web
 * page, a name server, an echo and iperf3's server.
 *
 * The caller is the client: tunnels are made in its own namespace, which must be a private one. The tunnel's
 * addresses answer through the tunnel alone; `site.internet` answers both ways.
 */
export class PeerNetwork implements AsyncDisposable {
  readonly site: PeerSite;
  readonly implementation: PeerImplementation;
  /** Milliseconds that the cable really adds to a round trip: 0 where the kernel has no sch_netem. */
  readonly delay: number;
  readonly publicKey: string;
  readonly #privateKey: string;
  readonly #services: PeerServices;
  readonly #clients = new Map<string, ClientConf>();
  #clientCount = 0;
  #running: RunningPeer | null = null;
  #iperf: Background | null = null;
  #endpoint;

  private constructor(
    site: PeerSite,
    implementation: PeerImplementation,
    delay: number,
    services: PeerServices,
  ) {
    this.site = site;
    this.implementation = implementation;
    this.delay = delay;
    this.#services = services;
    this.#endpoint = site.underlay.peer;
    ({ privateKey: this.#privateKey, publicKey: this.publicKey } = generateKeyPair());
  }

  /** @throws {MissingPrerequisite} there is no foreign implementation, and none was given */
  static async start(options: PeerNetworkOptions = {}): Promise<PeerNetwork> {
    assertPrivateNamespaces();
    const site = peerSites[options.site ?? 0];
    const implementation = options.implementation ?? (await requireForeignPeer());
    try {
      await layCable(site);
      const delay = await delayCable(site, options.delay ?? 0);
      const services = await PeerServices.start(site.namespace, {
        page: pageText,
        dns: {
          tunnel: {
            addresses: [site.tunnel.v4, site.tunnel.v6],
            records: { [intranetName]: [site.tunnel.v4, site.tunnel.v6] },
          },
          underlay: {
            addresses: [site.underlay.peer.v4, site.underlay.peer.v6],
            records: { [peerName]: [site.underlay.peer.v4, site.underlay.peer.v6] },
          },
        },
      });
      const network = new PeerNetwork(site, implementation, delay, services);
      await network.startWireGuard();
      return network;
    } catch (error) {
      await cutCable(site);
      throw error;
    }
  }

  /** Lets one more client in and returns its configuration. */
  async clientConf(options: ClientConfOptions = {}): Promise<ClientConf> {
    const conf = makeClientConf(this.site, this.publicKey, ++this.#clientCount, options);
    this.#clients.set(conf.publicKey, conf);
    await this.#configure();
    return conf;
  }

  /** Lets a client of another site's configuration in as well: a tunnel with several peers. */
  async admit(conf: ClientConf): Promise<void> {
    this.#clients.set(conf.publicKey, conf);
    await this.#configure();
  }

  async removeClient(conf: ClientConf): Promise<void> {
    this.#clients.delete(conf.publicKey);
    await this.#configure();
  }

  /** The peer appears, with the clients it had. */
  async startWireGuard(): Promise<void> {
    if (this.#running !== null) return;
    const { namespace, interfaceName, tunnel } = this.site;
    this.#running = await this.implementation.start(namespace, interfaceName);
    await ip(namespace, [
      `address add ${tunnel.v4}/24 dev ${interfaceName}`,
      `address add ${tunnel.v6}/64 dev ${interfaceName} nodad`,
      `link set ${interfaceName} mtu 1420 up`,
    ]);
    await this.#configure();
  }

  /** The peer's program ends: its host answers "port unreachable". For a peer that is silent: {@link silence}. */
  async stopWireGuard(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    await running?.[Symbol.asyncDispose]();
  }

  /** Needed before a client of the other address family on the cable: see `foreign-peer.ts`. */
  async restartWireGuard(): Promise<void> {
    await this.stopWireGuard();
    await this.startWireGuard();
  }

  /** From here on the peer receives nothing from the cable, and nothing tells the client so. */
  async silence(): Promise<void> {
    const rules =
      'add table inet silence; add chain inet silence input { type filter hook input priority -10; policy accept; };' +
      'add rule inet silence input iifname "eth0" meta l4proto { tcp, udp, icmp } drop;';
    await this.exec('nft', [rules]);
  }

  async endSilence(): Promise<void> {
    await this.exec('nft', ['delete table inet silence']);
  }

  /**
   * The peer moves to its other address on the cable; its name there follows, nothing else tells the client.
   * Called again, it moves back.
   */
  async move(): Promise<void> {
    const { peer, moved, client } = this.site.underlay;
    const from = this.#endpoint;
    const to = from === peer ? moved : peer;
    this.#endpoint = to;
    const { namespace } = this.site;
    await ip(namespace, [
      `address replace ${to.v4}/24 dev eth0`,
      `address replace ${to.v6}/64 dev eth0 nodad`,
    ]);
    await this.#services.setRecords('underlay', { [peerName]: [to.v4, to.v6] });
    // The name server stays where it was asked for: only the tunnel's port leaves the old address.
    await this.exec('nft', [
      'add table inet moved; flush table inet moved;' +
        'add chain inet moved input { type filter hook input priority -10; policy accept; };' +
        `add rule inet moved input ip daddr ${from.v4} udp dport ${String(peerPort)} drop;` +
        `add rule inet moved input ip6 daddr ${from.v6} udp dport ${String(peerPort)} drop;`,
    ]);
    if (to === peer) {
      await ip(namespace, [
        `address delete ${moved.v4}/24 dev eth0`,
        `address delete ${moved.v6}/64 dev eth0`,
      ]);
    }
    await succeeds('ip', ['neighbour', 'flush', 'to', client.v4, 'dev', this.site.clientLink]);
  }

  /** Bytes and handshakes of each client, as the peer sees them. @throws {Error} the peer does not run */
  async statistics(): Promise<readonly ClientStatistics[]> {
    if (this.#running === null) throw new Error('The peer does not run.');
    return this.#running.statistics();
  }

  /** Replaces the names that the name server behind the tunnel, or the one on the cable, knows. */
  async setRecords(server: 'tunnel' | 'underlay', records: DnsRecords): Promise<void> {
    await this.#services.setRecords(server, records);
  }

  /** What that name server was asked since this was last called. */
  async takeQueries(server: 'tunnel' | 'underlay'): Promise<readonly DnsQuery[]> {
    return this.#services.takeQueries(server);
  }

  /** The client resolves names with the server on the cable from here on. */
  async useUnderlayDns(): Promise<void> {
    await writeFile(
      '/etc/resolv.conf',
      `nameserver ${this.site.underlay.peer.v4}\noptions timeout:1 attempts:2\n`,
    );
  }

  /** Starts iperf3's server, on port 5201 of all the peer's addresses. */
  async startIperf(): Promise<void> {
    if (this.#iperf?.isRunning === true) return;
    const words = ['netns', 'exec', this.site.namespace, 'iperf3', '--server', '--forceflush'];
    this.#iperf = await Background.start('ip', words, { ready: /Server listening/ });
  }

  /** Runs a program in the peer's namespace. */
  async exec(program: string, args: readonly string[]): Promise<string> {
    return run('ip', ['netns', 'exec', this.site.namespace, program, ...args]);
  }

  /** Ends every process of the peer, and only those, and removes namespace and cable. */
  async stop(): Promise<void> {
    await this.#iperf?.stop('SIGTERM');
    await this.stopWireGuard();
    await this.#services.stop();
    await cutCable(this.site);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #configure(): Promise<void> {
    await this.#running?.configure({
      privateKey: this.#privateKey,
      listenPort: peerPort,
      clients: [...this.#clients.values()].map((conf) => conf.allowed),
    });
    // A client of another site's configuration has addresses beyond this tunnel's own networks.
    if (this.#running === null) return;
    const { namespace, interfaceName } = this.site;
    const routes = [...this.#clients.values()].flatMap((conf) => conf.allowed.allowedIPs);
    await ip(
      namespace,
      routes.map((route) => `route replace ${route} dev ${interfaceName}`),
    );
  }
}

/** Runs `ip` commands in a namespace, all or up to the first that fails. */
async function ip(namespace: string | null, commands: readonly string[]): Promise<void> {
  const where = namespace === null ? [] : ['-n', namespace];
  await run('ip', [...where, '-batch', '-'], { input: `${commands.join('\n')}\n` });
}

async function layCable(site: PeerSite): Promise<void> {
  const { namespace, clientLink, underlay, internet } = site;
  await run('ip', ['netns', 'add', namespace]);
  const isGateway = site === peerSites[0];
  await ip(null, [
    `link add ${clientLink} type veth peer name eth0 netns ${namespace}`,
    `address add ${underlay.client.v4}/24 dev ${clientLink}`,
    `address add ${underlay.client.v6}/64 dev ${clientLink} nodad`,
    `link set ${clientLink} up`,
  ]);
  await ip(namespace, [
    'link set lo up',
    `address add ${internet.v4}/32 dev lo`,
    `address add ${internet.v6}/128 dev lo`,
    `address add ${underlay.peer.v4}/24 dev eth0`,
    `address add ${underlay.peer.v6}/64 dev eth0 nodad`,
    'link set eth0 up',
  ]);
  const reached = isGateway
    ? { v4: '0.0.0.0/0', v6: '::/0' }
    : { v4: `${internet.v4}/32`, v6: `${internet.v6}/128` };
  await ip(null, [
    `route add ${reached.v4} via ${underlay.peer.v4} dev ${clientLink}`,
    `route add ${reached.v6} via ${underlay.peer.v6} dev ${clientLink}`,
  ]);
  // A new veth's carrier is noticed up to a second late, and until then IPv6 has no route over it.
  await waitUntil(`IPv6 over ${clientLink}`, async () => {
    const there = await succeeds('ip', ['route', 'get', underlay.peer.v6]);
    return there && (await succeeds('ip', ['-n', namespace, 'route', 'get', underlay.client.v6]));
  });
  // The name server behind the tunnel listens before the tunnel's interface exists, and while it is gone.
  const settings = 'for family in ipv4 ipv6; do echo 1 > /proc/sys/net/$family/ip_nonlocal_bind; done';
  await run('ip', ['netns', 'exec', namespace, 'sh', '-c', settings]);
  // Linux answers for all its addresses on all its links; the tunnel's must not answer on the cable.
  const rules =
    'add table inet rig; add chain inet rig input { type filter hook input priority 0; policy accept; };' +
    `add rule inet rig input iifname "eth0" ip daddr ${site.tunnelNetworks.v4} drop;` +
    `add rule inet rig input iifname "eth0" ip6 daddr ${site.tunnelNetworks.v6} drop;`;
  await run('ip', ['netns', 'exec', namespace, 'nft', rules]);
}

/** Half the delay each way. Returns what the cable really adds. */
async function delayCable(site: PeerSite, milliseconds: number): Promise<number> {
  if (milliseconds === 0) return 0;
  const half = `${String((milliseconds * 1000) / 2)}us`;
  const words = ['root', 'netem', 'delay', half, 'limit', '100000'];
  const isThere = await succeeds('tc', ['qdisc', 'add', 'dev', site.clientLink, ...words]);
  if (!isThere) return 0;
  await run('tc', ['-n', site.namespace, 'qdisc', 'add', 'dev', 'eth0', ...words]);
  return milliseconds;
}

async function cutCable(site: PeerSite): Promise<void> {
  await succeeds('ip', ['link', 'delete', site.clientLink]);
  await succeeds('ip', ['netns', 'delete', site.namespace]);
}
