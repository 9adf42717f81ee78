import { EndpointConnection, type OpenOptions } from './endpoint-connection.ts';
import { locateEndpoint, notReachableRemedy, type LocateOptions } from './endpoint-location.ts';

export type ConnectOptions = LocateOptions & Pick<OpenOptions, 'client' | 'receiver' | 'signal' | 'timeout'>;

/**
 * Finds the endpoint, verifies it, connects and says hello.
 *
 * @throws {EndpointError} as `locateEndpoint` and `EndpointConnection.open`
 */
export async function connectEndpoint(options: ConnectOptions): Promise<EndpointConnection> {
  const { path } = locateEndpoint(options);
  return EndpointConnection.open({ ...options, path, remedy: notReachableRemedy(options) });
}
