import { app } from 'electron';
import { connectEndpoint } from '@sallyport/shared/client/connect-endpoint.ts';
import { ReconnectingClient } from '@sallyport/shared/client/reconnecting-client.ts';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import type { TunnelClient } from './tunnel-client.ts';

/** The connection to the helper; a packed app accepts root's endpoint alone (contract E5). */
export function createEndpointClient(): TunnelClient {
  return new ReconnectingClient({
    connect: (receiver) =>
      connectEndpoint({
        manifest: sallyportManifest,
        packaged: app.isPackaged,
        client: { name: app.getName(), version: app.getVersion() },
        receiver,
      }),
  });
}
