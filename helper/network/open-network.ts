import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RunNetwork } from '../host/run-context.ts';
import { native } from '../native/load.ts';
import type { CategoryLog } from '../log/logger.ts';
import { SystemNetworkController, type NetworkController } from './controller.ts';
import { ClaimFiles } from './extension-claims.ts';
import { JournalFile, currentStamp } from './journal-file.ts';
import { Journal } from './journal.ts';
import { NativeNetworkSystem, type ServiceBinding } from './native-system.ts';
import { networkManagerDirectory, unmanagedByNetworkManager } from './network-manager.ts';

export interface OpenNetworkOptions {
  readonly extensionIdentifier: string;
  readonly interfacePrefix: string;
  readonly stateDirectory: string;
  /** Longest time for one `setTunnelNetworkSettings`, in milliseconds. */
  readonly deadline: number;
  /** MTU of the physical path; null if there is none. */
  readonly physicalMtu: () => number | null;
  /** False where the system bus is not this namespace's own (contract A10): then resolv.conf alone is used. */
  readonly systemBus?: boolean;
  readonly log: CategoryLog;
}

/** Where extensions of one machine tell each other of their full tunnels. */
const claimsDirectory = '/run/sallyport/claims';

/** What the addon says where there is no bus. */
const noServices: ServiceBinding = {
  resolvedAvailable: () => false,
  resolvedSetLink: () => undefined,
  resolvedRevertLink: () => undefined,
  networkManagerAvailable: () => false,
  networkManagerReload: () => undefined,
};

/** The system's network as the sessions share it. */
export interface SessionNetwork {
  /** A session's share for one run. */
  share(configurationId: string): RunNetwork;
  pathChanged(): Promise<void>;
  close(): Promise<void>;
}

/** Undoes what an earlier process left, then opens the real system's network for sessions. */
export async function openNetwork(options: OpenNetworkOptions): Promise<SessionNetwork> {
  const { extensionIdentifier, interfacePrefix, stateDirectory, deadline, physicalMtu, log } = options;
  const stamp = await currentStamp();
  const controller: NetworkController = new SystemNetworkController({
    system: new NativeNetworkSystem(native(), options.systemBus === false ? noServices : native()),
    journal: await Journal.open(
      new JournalFile(join(stateDirectory, 'network.journal')),
      stamp,
      extensionIdentifier,
      log,
    ),
    claims: new ClaimFiles(claimsDirectory, extensionIdentifier, stamp.namespace, log),
    extensionIdentifier,
    resolvConf: '/etc/resolv.conf',
    deadline,
    physicalMtu,
    log,
  });
  await controller.recover();
  if (existsSync(networkManagerDirectory)) {
    try {
      await controller.setHostChanges([unmanagedByNetworkManager(extensionIdentifier, interfacePrefix)]);
    } catch (error) {
      // It may show our interfaces in its menu, which is no reason not to have any.
      log(
        'warning',
        `NetworkManager was not told: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
  return {
    share: (id) => shareOf(controller, id),
    pathChanged: () => controller.pathChanged(),
    close: () => controller.close(),
  };
}

function shareOf(controller: NetworkController, id: string): RunNetwork {
  const numbers = controller.allocate(id);
  return {
    fwmark: numbers.fwmark,
    mtu: () => controller.mtu(id),
    apply: async (device, settings) => {
      await controller.apply({ id, interface: device, ...numbers }, settings);
    },
    clear: () => controller.clear(id),
  };
}
