import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { ExtensionManifest } from '@sallyport/shared/manifest/manifest.ts';
import {
  sallyportManifest,
  wireGuardProviderIdentifier,
} from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { PacketTunnelProvider } from '@sallyport/shared/provider/packet-tunnel-provider.ts';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';
import { describeRegistration, ProviderRegistry } from './provider-registry.ts';

const directory = useTemporaryDirectory();

class Tunnel extends PacketTunnelProvider {
  override startTunnel(): Promise<void> {
    return Promise.resolve();
  }
  override stopTunnel(): Promise<void> {
    return Promise.resolve();
  }
}

function manifest(...modules: { identifier?: string; module: string; export: string }[]): ExtensionManifest {
  return {
    ...sallyportManifest,
    providerClasses: {
      'packet-tunnel': modules.map((module) => ({ identifier: 'com.example.tunnel', ...module })),
    },
  };
}

/** Loads a manifest whose modules lie in the test's directory. */
function load(...modules: Parameters<typeof manifest>): Promise<ProviderRegistry> {
  return ProviderRegistry.load(manifest(...modules), pathToFileURL(`${directory.path}/`));
}

function write(name: string, source: string): string {
  writeFileSync(join(directory.path, name), source);
  return `./${name}`;
}

const base = new URL('../../shared/provider/packet-tunnel-provider.ts', import.meta.url).href;

describe('loading', () => {
  it('finds the provider that the product’s manifest names', async () => {
    const registry = await ProviderRegistry.load(sallyportManifest, new URL('../', import.meta.url));
    expect(registry.find(wireGuardProviderIdentifier)?.prototype).toBeInstanceOf(PacketTunnelProvider);
    expect(registry.find('com.example.tunnel')).toBeNull();
  });

  it('takes an extension without packet tunnels', async () => {
    const registry = await ProviderRegistry.load(
      { ...sallyportManifest, providerClasses: {} },
      new URL('file:///'),
    );
    expect(registry.registrations()).toEqual([]);
  });

  it.each([
    ['a module that is not there', null],
    ['a module that does not parse', 'export class {'],
    ['a module that throws', 'throw new Error("no");'],
    ['an export that is missing', 'export const other = 1;'],
    ['an export that is no class', 'export const Tunnel = 1;'],
    ['an export that is a plain function', 'export function Tunnel() {}'],
    ['an arrow function', 'export const Tunnel = () => 1;'],
    ['a class that extends nothing', 'export class Tunnel {}'],
    ['the base class itself', `export { PacketTunnelProvider as Tunnel } from ${JSON.stringify(base)};`],
  ])('refuses %s and says what to correct', async (_what, source) => {
    const module = source === null ? './missing.ts' : write('module.mjs', source);
    const refusal = load({ module, export: 'Tunnel' });
    await expect(refusal).rejects.toMatchObject({ domain: 'SystemExtensionError', code: 'validationFailed' });
    await expect(refusal).rejects.toThrow(/Correct the manifest/);
  });

  it('refuses two classes under one identifier', async () => {
    const source = `import { PacketTunnelProvider } from ${JSON.stringify(base)};\nexport class Tunnel extends PacketTunnelProvider {}`;
    const module = write('two.ts', source);
    await expect(load({ module, export: 'Tunnel' }, { module, export: 'Tunnel' })).rejects.toMatchObject({
      code: 'duplicateExtensionIdentifer',
    });
    const registry = await load(
      { module, export: 'Tunnel' },
      { identifier: 'com.example.b', module, export: 'Tunnel' },
    );
    expect(registry.registrations()).toHaveLength(2);
  });
});

describe('[L9] registrations', () => {
  it('count what was found and what runs', () => {
    const registry = new ProviderRegistry();
    registry.register('com.example.tunnel', Tunnel);
    const lookup = (): string =>
      describeRegistration(registry.registration('com.example.tunnel', 'packet-tunnel'));
    expect(lookup()).toBe('Found 1 (0 active) registrations for com.example.tunnel (packet-tunnel)');
    const [first, second] = [
      registry.activate('com.example.tunnel'),
      registry.activate('com.example.tunnel'),
    ];
    expect(lookup()).toBe('Found 1 (2 active) registrations for com.example.tunnel (packet-tunnel)');
    first();
    first();
    expect(lookup()).toBe('Found 1 (1 active) registrations for com.example.tunnel (packet-tunnel)');
    expect(describeRegistration(registry.registration('com.example.tunnel', 'dns-proxy'))).toBe(
      'Found 0 (0 active) registrations for com.example.tunnel (dns-proxy)',
    );
    second();
    expect(registry.registrations()).toEqual([
      { identifier: 'com.example.tunnel', type: 'packet-tunnel', found: 1, active: 0 },
    ]);
    expect(describeRegistration(registry.registration('com.example.other', 'packet-tunnel'))).toBe(
      'Found 0 (0 active) registrations for com.example.other (packet-tunnel)',
    );
  });
});
