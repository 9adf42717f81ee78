import { EndpointConnection } from '../endpoint-connection.ts';
import { ReconnectingClient } from '../reconnecting-client.ts';
import { FakeHelper } from './fake-helper.ts';

/** A fake helper and a client that is connected to it; both end with `using`. */
export interface ConnectedClient extends AsyncDisposable {
  readonly helper: FakeHelper;
  readonly client: ReconnectingClient;
}

export async function connectClient(): Promise<ConnectedClient> {
  const helper = await FakeHelper.start();
  const client = new ReconnectingClient({
    connect: (receiver) =>
      EndpointConnection.open({
        path: helper.endpoint.path,
        client: { name: 'test', version: '1' },
        receiver,
      }),
  });
  client.start();
  await client.ready();
  return {
    helper,
    client,
    [Symbol.asyncDispose]: async () => {
      client.close();
      await helper.close();
    },
  };
}
