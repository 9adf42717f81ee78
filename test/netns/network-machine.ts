import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allocate, priorityOf } from '../../helper/network/allocate.ts';
import type { NetworkSystem } from '../../helper/network/system.ts';
import { SystemNetworkController, type NetworkSession } from '../../helper/network/controller.ts';
import { ClaimFiles } from '../../helper/network/extension-claims.ts';
import { currentStamp, JournalFile } from '../../helper/network/journal-file.ts';
import { Journal } from '../../helper/network/journal.ts';
import { native } from '../../helper/native/load.ts';
import { NativeNetworkSystem } from '../../helper/network/native-system.ts';
import { packetTunnelNetworkSettingsSchema } from '../../shared/provider/network-settings.ts';
import type {
  PacketTunnelNetworkSettings,
  ResolvedNetworkSettings,
} from '../../shared/provider/network-settings.ts';
import { run } from '../rig/run.ts';

export const resolvConf = '/etc/resolv.conf';
export const claimsDirectory = '/run/sallyport/claims';

/** A TUN interface with a session's numbers; gone with the process or when disposed. */
export class TestTunnel implements Disposable {
  readonly session: NetworkSession;
  readonly #tun: { close(): void };

  constructor(id: string, name: string) {
    const tun = native().Tun.open(name);
    const { fwmark, table } = allocate('com.example.tunnel', id, [], new Set());
    this.#tun = tun;
    this.session = { id, interface: { name: tun.name, index: tun.index }, fwmark, table };
  }

  /** Of the session's first rule. */
  get priority(): number {
    return priorityOf(this.session.table);
  }

  [Symbol.dispose](): void {
    this.#tun.close();
  }
}

export interface TestController {
  readonly controller: SystemNetworkController;
  readonly log: string[];
}

/** A controller over this namespace, as a helper that has just started has it; recovery is not done yet. */
export async function openController(
  state: string,
  options: {
    readonly extension?: string;
    readonly physicalMtu?: () => number | null;
    readonly wrap?: (system: NetworkSystem) => NetworkSystem;
  } = {},
): Promise<TestController> {
  const log: string[] = [];
  const note = (level: string, message: string): void => void log.push(`${level}: ${message}`);
  const extension = options.extension ?? 'com.example.tunnel';
  const stamp = await currentStamp();
  const system = new NativeNetworkSystem();
  const controller = new SystemNetworkController({
    system: options.wrap?.(system) ?? system,
    journal: await Journal.open(new JournalFile(join(state, 'network.journal')), stamp, extension, note),
    claims: new ClaimFiles(claimsDirectory, extension, stamp.namespace, note),
    extensionIdentifier: extension,
    resolvConf,
    deadline: 20_000,
    physicalMtu: options.physicalMtu ?? (() => 1500),
    log: note,
  });
  return { controller, log };
}

export async function temporaryDirectory(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'network-'));
  return { path, remove: () => rm(path, { recursive: true }) };
}

export function settingsOf(settings: Partial<PacketTunnelNetworkSettings>): ResolvedNetworkSettings {
  return packetTunnelNetworkSettingsSchema.parse({ tunnelRemoteAddress: null, ...settings });
}

export function routesTo(...destinations: string[]): { destination: string }[] {
  return destinations.map((destination) => ({ destination }));
}

/** The physical side: an Ethernet interface with a network of its own and a router in each family. */
export async function plugIn(): Promise<void> {
  await run('ip', ['link', 'add', 'eth7', 'type', 'veth', 'peer', 'name', 'eth8']);
  for (const name of ['eth7', 'eth8']) await run('ip', ['link', 'set', name, 'up']);
  await run('ip', ['address', 'add', '192.0.2.1/24', 'dev', 'eth7']);
  await run('ip', ['address', 'add', '2001:db8:1::1/64', 'dev', 'eth7', 'nodad']);
  await run('ip', ['route', 'add', 'default', 'via', '192.0.2.254']);
  await run('ip', ['-6', 'route', 'add', 'default', 'via', '2001:db8:1::fe']);
}

export async function unplug(): Promise<void> {
  await run('ip', ['link', 'delete', 'eth7']);
}

/** The interface that the kernel sends a packet through, or `unreachable` where a route refuses it. */
export async function wayTo(address: string, mark?: number): Promise<string> {
  const marked = mark === undefined ? [] : ['mark', String(mark)];
  try {
    const answer = await run('ip', ['route', 'get', address, ...marked]);
    return /\bdev (\S+)/.exec(answer)?.[1] ?? answer;
  } catch (error) {
    // EHOSTUNREACH comes from an unreachable route alone; without any route it is ENETUNREACH.
    return error instanceof Error && error.message.includes('No route to host')
      ? 'unreachable'
      : String(error);
  }
}
