import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { native } from '../../helper/native/load.ts';
import type {
  Tun,
  WireGuardDevice,
  WireGuardDeviceConfig,
  WireGuardEvent,
} from '../../helper/native/binding.d.ts';
import type { ClientConf } from '../rig/client-conf.ts';
import type { PeerNetwork } from '../rig/peer-network.ts';
import { peerPort } from '../rig/peer-site.ts';
import { run } from '../rig/run.ts';
import { waitUntil } from '../rig/wait.ts';

/** A directory for keys that only this user can read; gone when disposed. */
export class KeyDirectory implements AsyncDisposable {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  static async make(): Promise<KeyDirectory> {
    return new KeyDirectory(await mkdtemp(join(tmpdir(), 'sallyport-keys-')));
  }

  /** Writes a key, given in base64, and returns its path. */
  async file(name: string, key: string): Promise<string> {
    const path = join(this.#path, name);
    await writeFile(path, Buffer.from(key, 'base64'), { mode: 0o600 });
    return path;
  }

  /** Makes a new private key and returns its path. */
  generate(name: string): string {
    const path = join(this.#path, name);
    native().generatePrivateKey(path);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#path, { recursive: true, force: true });
  }
}

/** A WireGuard device of ours in this namespace, with its interface; both gone when disposed. */
export class NativeDevice implements Disposable {
  readonly tun: Tun;
  readonly device: WireGuardDevice;
  readonly events: WireGuardEvent[] = [];

  private constructor(tun: Tun, config: WireGuardDeviceConfig) {
    this.tun = tun;
    try {
      this.device = native().WireGuardDevice.start(tun, config, (event) => {
        this.events.push(event);
      });
    } catch (error) {
      tun.close();
      throw error;
    }
  }

  static async start(
    name: string,
    config: WireGuardDeviceConfig,
    addresses: readonly string[] = [],
  ): Promise<NativeDevice> {
    const device = new NativeDevice(native().Tun.open(name), config);
    const commands = [
      `link set ${name} mtu ${String(config.mtu)} up`,
      ...addresses.map(
        (address) => `address add ${address} dev ${name}${address.includes(':') ? ' nodad' : ''}`,
      ),
    ];
    await run('ip', ['-batch', '-'], { input: `${commands.join('\n')}\n` });
    return device;
  }

  /** Waits for an event of a kind, the first or a later one. */
  async event(kind: WireGuardEvent['kind'], count = 1, timeout = 10_000): Promise<void> {
    const holds = (): boolean => this.events.filter((event) => event.kind === kind).length >= count;
    await waitUntil(`${String(count)} × ${kind} in ${JSON.stringify(this.events)}`, holds, timeout, 1);
  }

  [Symbol.dispose](): void {
    this.device.stop();
    this.tun.close();
  }
}

/** A configuration that connects to the rig's peer as one of its clients. */
export async function clientConfig(
  network: PeerNetwork,
  conf: ClientConf,
  keys: KeyDirectory,
  host: string = network.site.underlay.peer.v4,
): Promise<WireGuardDeviceConfig & { peers: [WireGuardDeviceConfig['peers'][number]] }> {
  const presharedKey = conf.presharedKey;
  return {
    privateKeyFile: await keys.file('private', conf.privateKey),
    mtu: 1420,
    peers: [
      {
        publicKey: network.publicKey,
        allowedIps: [network.site.tunnelNetworks.v4, network.site.tunnelNetworks.v6],
        endpoint: `${host.includes(':') ? `[${host}]` : host}:${String(peerPort)}`,
        ...(presharedKey === undefined
          ? {}
          : { presharedKeyFile: await keys.file('preshared', presharedKey) }),
      },
    ],
  };
}

/** The client's addresses with the prefix lengths of the tunnel's networks. */
export function withPrefixes(conf: ClientConf): string[] {
  return conf.addresses.map((address) => `${address}${address.includes(':') ? '/64' : '/24'}`);
}

/** The command that puts bytes on an interface as they are, which no ordinary socket does. */
export function rawSend(interfaceIndex: number, packet: Buffer): [program: string, args: string[]] {
  const script =
    'my ($index, $hex) = @ARGV; socket(my $socket, 17, 3, 0x0008) or die "socket: $!";' +
    'my $to = pack("S n i S C C a8", 17, 0x0800, $index, 0, 0, 0, "");' +
    'send($socket, pack("H*", $hex), 0, $to) or die "send: $!";';
  return ['perl', ['-e', script, String(interfaceIndex), packet.toString('hex')]];
}

/** An IPv4 packet of 28 bytes; what it says of its length is up to the caller. */
export function ipv4Packet(source: string, destination: string, totalLength = 28): Buffer {
  const packet = Buffer.alloc(28);
  packet[0] = 0x45;
  packet.writeUInt16BE(totalLength, 2);
  packet[8] = 64;
  packet[9] = 17;
  packet.set(source.split('.').map(Number), 12);
  packet.set(destination.split('.').map(Number), 16);
  return packet;
}
