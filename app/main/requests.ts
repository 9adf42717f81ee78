import { validateTunnelName } from '@sallyport/shared/formats/tunnel-name.ts';
import { EndpointError, serializeError } from '@sallyport/shared/protocol/errors.ts';
import type { ImportResult, Outcome } from '../bridge/channels.ts';
import type { CallHandlers } from './bridge-host.ts';
import type { Mirror } from './mirror.ts';
import type { TunnelClient } from './tunnel-client.ts';

/** A file that was dropped on the window or chosen in it. */
export interface ImportRequest {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly withoutScripts: boolean;
}

export type ImportFile = (request: ImportRequest) => Promise<ImportResult>;

/** What the window may ask for, carried out over the endpoint. */
export function createRequests(client: TunnelClient, mirror: Mirror, importFile: ImportFile): CallHandlers {
  return {
    readState: () => Promise.resolve(mirror.state),
    connect: ({ id, supersede }) =>
      settle(async () => {
        await client.call('session.start', { id, supersede });
        return null;
      }),
    disconnect: ({ id }) =>
      settle(async () => {
        await client.call('session.stop', { id });
        return null;
      }),
    readStatistics: ({ id }) =>
      settle(async () => (await client.call('session.statistics', { id })).statistics),
    importFile: (request) => settle(() => importFile(request)),
    rename: ({ id, name }) =>
      settle(async () => {
        await rename(client, mirror, id, name);
        return null;
      }),
    remove: ({ id }) =>
      settle(async () => {
        await client.call('configurations.remove', { id });
        return null;
      }),
    reconnect: () => {
      client.reopen();
      return Promise.resolve(null);
    },
  };
}

async function rename(client: TunnelClient, mirror: Mirror, id: string, name: string): Promise<void> {
  const stored = mirror.configuration(id);
  if (stored === undefined) {
    throw new EndpointError(
      'invalidParameters',
      'This tunnel no longer exists. It may have been removed elsewhere.',
    );
  }
  await client.call('configurations.save', {
    configuration: {
      id: stored.id,
      name: validateTunnelName(name),
      isEnabled: stored.isEnabled,
      retry: stored.retry,
      protocolConfiguration: stored.protocolConfiguration,
      secretReferences: stored.secretReferences,
    },
    expectedRevision: stored.revision,
  });
}

async function settle<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    return { ok: false, error: serializeError(error) };
  }
}
