import type { ClientConf } from './client-conf.ts';
import type { PeerNetwork } from './peer-network.ts';
import { peerPort } from './peer-site.ts';
import type { Background } from './background.ts';
import { withWgFile } from './foreign-peer.ts';
import { assertPrivateNamespaces } from '@sallyport/helper/developer/private-namespaces.ts';
import { run } from './run.ts';
import { startWireGuardGo } from './wireguard-go.ts';

const interfaceName = 'wg-reference';

/**
 * A client that is not ours, split tunnel only: wireguard-go in this process's own namespace. It proves that the
 * rig works, and is what benchmarks compare with.
 */
export class ReferenceClient implements AsyncDisposable {
  readonly interfaceName = interfaceName;
  readonly pid: number;
  readonly #process: Background;

  private constructor(process: Background) {
    this.#process = process;
    this.pid = process.pid;
  }

  /** Connects to the peer; `endpointHost` is an address of its cable. */
  static async connect(
    network: PeerNetwork,
    conf: ClientConf,
    endpointHost?: string,
  ): Promise<ReferenceClient> {
    assertPrivateNamespaces();
    const process = await startWireGuardGo(interfaceName);
    const client = new ReferenceClient(process);
    try {
      const host = endpointHost ?? network.site.underlay.peer.v4;
      const { v4, v6 } = network.site.tunnelNetworks;
      const lines = [
        '[Interface]',
        `PrivateKey = ${conf.privateKey}`,
        '[Peer]',
        `PublicKey = ${network.publicKey}`,
        ...(conf.presharedKey === undefined ? [] : [`PresharedKey = ${conf.presharedKey}`]),
        `AllowedIPs = ${v4}, ${v6}`,
        `Endpoint = ${host.includes(':') ? `[${host}]` : host}:${String(peerPort)}`,
      ];
      await withWgFile(lines, (path) => run('wg', ['setconf', interfaceName, path]));
      const addresses = conf.addresses.map((address) =>
        address.includes(':')
          ? `address add ${address}/64 dev ${interfaceName} nodad`
          : `address add ${address}/24 dev ${interfaceName}`,
      );
      const commands = [...addresses, `link set ${interfaceName} mtu 1420 up`];
      await run('ip', ['-batch', '-'], { input: `${commands.join('\n')}\n` });
      return client;
    } catch (error) {
      await client.disconnect();
      throw error;
    }
  }

  /** Sends to another address of the peer's from here on. */
  async setEndpoint(network: PeerNetwork, host: string): Promise<void> {
    const endpoint = `${host.includes(':') ? `[${host}]` : host}:${String(peerPort)}`;
    await run('wg', ['set', interfaceName, 'peer', network.publicKey, 'endpoint', endpoint]);
  }

  async disconnect(): Promise<void> {
    await this.#process.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
  }
}
