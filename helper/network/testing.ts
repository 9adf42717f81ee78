import { packetTunnelNetworkSettingsSchema } from '@sallyport/shared/provider/network-settings.ts';
import type {
  PacketTunnelNetworkSettings,
  ResolvedNetworkSettings,
} from '@sallyport/shared/provider/network-settings.ts';
import type { CategoryLog } from '../log/logger.ts';
import type { FileState } from './change.ts';
import { SystemNetworkController, type NetworkControllerOptions, type NetworkSession } from './controller.ts';
import type { ExtensionClaim, ExtensionClaims, ForeignClaim } from './extension-claims.ts';
import { Journal, type JournalStorage, type SystemStamp } from './journal.ts';
import type { MemoryNetworkSystem } from './memory-system.ts';

/** Settings with all defaults, as a provider's call has them once validated. */
export function settingsOf(settings: Partial<PacketTunnelNetworkSettings>): ResolvedNetworkSettings {
  return packetTunnelNetworkSettingsSchema.parse({ tunnelRemoteAddress: null, ...settings });
}

export function routesTo(...destinations: string[]): { destination: string }[] {
  return destinations.map((destination) => ({ destination }));
}

export function textFile(text: string): FileState {
  return { type: 'file', content: Buffer.from(text).toString('base64'), mode: 0o644, uid: 0, gid: 0 };
}

/** A journal's text in memory; `onAppend` may throw to play a disk that fails or a death in mid-write. */
export class MemoryJournalStorage implements JournalStorage {
  text = '';
  onAppend: (text: string) => void = () => undefined;

  read(): Promise<string> {
    return Promise.resolve(this.text);
  }

  async append(text: string): Promise<void> {
    await Promise.resolve();
    this.onAppend(text);
    this.text += text;
  }

  async replace(text: string): Promise<void> {
    await Promise.resolve();
    this.onAppend(text);
    this.text = text;
  }
}

/** Claims of a machine in memory: what `others` holds is what other extensions published. */
export class MemoryClaims implements ExtensionClaims {
  foreign: ForeignClaim[] = [];
  published: ExtensionClaim | null = null;

  publish(claim: ExtensionClaim): Promise<void> {
    this.published = claim;
    return Promise.resolve();
  }

  others(): Promise<ForeignClaim[]> {
    return Promise.resolve(this.foreign);
  }

  withdraw(): Promise<void> {
    this.published = null;
    return Promise.resolve();
  }
}

export const stamp: SystemStamp = { boot: 'boot-1', namespace: 'net:[1]' };
export const silent: CategoryLog = () => undefined;

export interface Setup {
  readonly controller: SystemNetworkController;
  readonly claims: MemoryClaims;
  readonly log: string[];
}

/** A controller over memory, as a helper that has just started has it. */
export async function startController(
  system: MemoryNetworkSystem,
  storage: MemoryJournalStorage,
  options: Partial<NetworkControllerOptions> & { readonly stamp?: SystemStamp } = {},
): Promise<Setup> {
  const log: string[] = [];
  const note: CategoryLog = (level, message) => log.push(`${level}: ${message}`);
  const claims = new MemoryClaims();
  const controller = new SystemNetworkController({
    system,
    journal: await Journal.open(storage, options.stamp ?? stamp, 'com.example.tunnel', note),
    claims,
    extensionIdentifier: 'com.example.tunnel',
    resolvConf: '/etc/resolv.conf',
    deadline: 10_000,
    physicalMtu: () => 1500,
    log: note,
    ...options,
  });
  return { controller, claims, log };
}

/** The session with interface `sp<index>`; mark and table are fixed, so that tests can name them. */
export function sessionOf(id: string, index: number): NetworkSession {
  const number = 0x5a11_0000 + index;
  return { id, interface: { name: `sp${String(index)}`, index }, fwmark: number, table: number };
}
