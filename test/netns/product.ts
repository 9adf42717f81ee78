import { importWireGuardConf } from '@sallyport/shared/client/import-wireguard-conf.ts';
import type { ReconnectingClient } from '@sallyport/shared/client/reconnecting-client.ts';
import type { TunnelProviderManager } from '@sallyport/shared/client/tunnel-provider-manager.ts';
import type { ClientConf } from '../rig/client-conf.ts';

let count = 0;

/** Imports a configuration under a name of its own. */
export function importConf(
  client: ReconnectingClient,
  conf: ClientConf | string,
): Promise<TunnelProviderManager> {
  count += 1;
  return importWireGuardConf(client, {
    bytes: new TextEncoder().encode(typeof conf === 'string' ? conf : conf.text),
    fileName: `tunnel-${String(count)}.conf`,
  });
}
