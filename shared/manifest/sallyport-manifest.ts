import { parseManifest, type ExtensionManifest } from './manifest.ts';

/** Bundle identifier of our WireGuard provider; imported `.conf` files name it. */
export const wireGuardProviderIdentifier = 'org.sallyport.helper.wireguard';

/** The product's own extension: what its helper hosts, and by which name its app and CLI find it. */
export const sallyportManifest: ExtensionManifest = parseManifest({
  identifier: 'org.sallyport.helper',
  version: '0.1.0',
  build: '1',
  name: 'Sallyport',
  usageDescription: 'Runs your tunnels: it owns their network interfaces, routes and DNS settings.',
  appGroup: 'org.sallyport',
  endpointName: 'org.sallyport.endpoint',
  providerClasses: {
    'packet-tunnel': [
      {
        identifier: wireGuardProviderIdentifier,
        module: './providers/wireguard/wireguard-tunnel-provider.ts',
        export: 'WireGuardTunnelProvider',
      },
    ],
  },
  clientRequirement: {
    executables: [{ path: '/opt/Sallyport/sallyport' }, { path: '/opt/Sallyport/sallyport-cli' }],
  },
});
