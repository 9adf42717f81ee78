import { randomUUID } from 'node:crypto';
import type { ConfigurationDraft } from '../../protocol/configuration.ts';

/** A configuration that no provider runs, for tests of clients. */
export function sampleDraft(name: string, more: Partial<ConfigurationDraft> = {}): ConfigurationDraft {
  return {
    id: randomUUID(),
    name,
    isEnabled: true,
    scope: 'system',
    retry: true,
    protocolConfiguration: {
      providerBundleIdentifier: 'com.example.tunnel',
      serverAddress: 'vpn.example.com:51820',
      username: null,
      passwordReference: null,
      identityReference: null,
      disconnectOnSleep: false,
      includeAllNetworks: false,
      excludeLocalNetworks: false,
      enforceRoutes: false,
      providerConfiguration: null,
    },
    secretReferences: [],
    ...more,
  };
}
