import { SystemExtensionError } from '@sallyport/shared/protocol/errors.ts';
import type { TunnelProviderProtocol } from '@sallyport/shared/protocol/configuration.ts';
import type { ProviderType, Registration } from '@sallyport/shared/protocol/extension.ts';
import type { ExtensionManifest } from '@sallyport/shared/manifest/manifest.ts';
import type { PacketTunnelNetworkSettings } from '@sallyport/shared/provider/network-settings.ts';
import { PacketTunnelProvider } from '@sallyport/shared/provider/packet-tunnel-provider.ts';

/** A concrete provider class; made anew for each start. */
export interface PacketTunnelProviderClass {
  new (): PacketTunnelProvider;
  /** What a configuration will set, as far as known before the start, so that a conflict of routes is seen then. */
  expectedNetworkSettings?(configuration: TunnelProviderProtocol): PacketTunnelNetworkSettings | null;
}

/** The provider classes that the manifest declares, by identifier and type. */
export class ProviderRegistry {
  readonly #packetTunnels = new Map<string, PacketTunnelProviderClass>();
  readonly #active = new Map<string, number>();

  /**
   * Imports every module the manifest names.
   *
   * @param base URL of the folder that the manifest's module paths start from
   * @throws {SystemExtensionError} `validationFailed` when a module cannot be loaded or its export is no provider class,
   * `duplicateExtensionIdentifer` when two share an identifier
   */
  static async load(manifest: ExtensionManifest, base: URL): Promise<ProviderRegistry> {
    const registry = new ProviderRegistry();
    for (const declared of manifest.providerClasses['packet-tunnel'] ?? []) {
      const module = await importModule(declared.module, base);
      const value: unknown =
        typeof module === 'object' && module !== null ? Reflect.get(module, declared.export) : undefined;
      if (!isPacketTunnelProviderClass(value)) {
        throw new SystemExtensionError(
          'validationFailed',
          `${declared.module} has no export ${declared.export} that extends PacketTunnelProvider. Correct the manifest.`,
        );
      }
      registry.register(declared.identifier, value);
    }
    return registry;
  }

  register(identifier: string, providerClass: PacketTunnelProviderClass): void {
    if (this.#packetTunnels.has(identifier)) {
      throw new SystemExtensionError(
        'duplicateExtensionIdentifer',
        `Two provider classes are declared as ${identifier}. Give each its own identifier.`,
      );
    }
    this.#packetTunnels.set(identifier, providerClass);
  }

  find(identifier: string): PacketTunnelProviderClass | null {
    return this.#packetTunnels.get(identifier) ?? null;
  }

  /** Found and active instances of an identifier (contract L9). */
  registration(identifier: string, type: ProviderType): Registration {
    const found = type === 'packet-tunnel' && this.#packetTunnels.has(identifier);
    return {
      identifier,
      type,
      found: found ? 1 : 0,
      active: found ? (this.#active.get(identifier) ?? 0) : 0,
    };
  }

  registrations(): Registration[] {
    return [...this.#packetTunnels.keys()].map((identifier) =>
      this.registration(identifier, 'packet-tunnel'),
    );
  }

  /** Counts an instance as active until the returned function is called. */
  activate(identifier: string): () => void {
    this.#active.set(identifier, (this.#active.get(identifier) ?? 0) + 1);
    let counted = true;
    return () => {
      if (!counted) return;
      counted = false;
      this.#active.set(identifier, (this.#active.get(identifier) ?? 1) - 1);
    };
  }
}

/** `Found N (M active) registrations for ID (TYPE)`, as the log and `extension list` say it. */
export function describeRegistration({ found, active, identifier, type }: Registration): string {
  return `Found ${String(found)} (${String(active)} active) registrations for ${identifier} (${type})`;
}

async function importModule(path: string, base: URL): Promise<unknown> {
  try {
    const module: unknown = await import(new URL(path, base).href);
    return module;
  } catch (error) {
    throw new SystemExtensionError(
      'validationFailed',
      `The provider module ${path} could not be loaded. Correct the manifest or the module.`,
      { cause: error },
    );
  }
}

function isPacketTunnelProviderClass(value: unknown): value is PacketTunnelProviderClass {
  return typeof value === 'function' && value.prototype instanceof PacketTunnelProvider;
}
