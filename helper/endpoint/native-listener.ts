import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { EndpointError } from '@sallyport/shared/protocol/errors.ts';
import type { EndpointEvent } from '../native/binding.d.ts';
import { native } from '../native/load.ts';
import type { Listener, ListenerEvent } from './listener.ts';
import { TurnOutbox } from './turn-outbox.ts';
import { failure } from './frame-connection.ts';
import { inheritedDescriptors } from './inherited-descriptors.ts';

export interface ListenOptions {
  readonly path: string;
  readonly developerMode: boolean;
  readonly maximumFrameBytes: number;
}

/**
 * Connections at once, and of one person; more than a person's programs need, and no more than the helper bears.
 * Root is held to the first alone.
 */
const maximumConnections = 512;
const maximumConnectionsPerUid = 64;
/** Connections that one person's programs may make in one go, and how many a second after that. */
const connectBurst = 64;
const connectsPerSecond = 32;
/** Bytes that may wait for a client that reads slowly, before it is dropped. */
const maximumQueuedBytes = 8 * 1024 * 1024;
/** The same on all connections of one person’s programs, and of root’s. */
const maximumQueuedBytesPerUid = 16 * 1024 * 1024;
const maximumQueuedBytesOfRoot = 64 * 1024 * 1024;
/** Milliseconds that a client has for the handshake and its first frame, and for any later frame. */
const frameDeadline = 5000;

/**
 * Opens the endpoint's socket.
 *
 * The service manager's is used if it passed one. Anyone may connect to the system's socket and is then verified; a
 * developer's lies in a directory that only its owner may enter. The native side refuses a path that somebody else
 * could change.
 */
export function listenNatively(options: ListenOptions, onEvent: (event: ListenerEvent) => void): Listener {
  const directory = dirname(options.path);
  const mode = options.developerMode ? 0o700 : 0o755;
  if (mkdirSync(directory, { recursive: true, mode }) !== undefined) chmodSync(directory, mode);
  const listener = native().EndpointListener.listen(
    {
      path: options.path,
      mode: options.developerMode ? 0o600 : 0o666,
      maxFrameBytes: options.maximumFrameBytes,
      maxConnections: maximumConnections,
      maxConnectionsPerUid: maximumConnectionsPerUid,
      connectBurst,
      connectsPerSecond,
      busyPayload: busyPayload(),
      maxQueuedBytes: maximumQueuedBytes,
      maxQueuedBytesPerUid: maximumQueuedBytesPerUid,
      maxQueuedBytesOfRoot: maximumQueuedBytesOfRoot,
      handshakeTimeoutMs: frameDeadline,
      requireSameNamespaces: !options.developerMode,
      inheritedDescriptors: inheritedDescriptors(process.env, process.pid),
    },
    (event) => {
      receive(event, options, onEvent);
    },
  );
  const outbox = new TurnOutbox(listener);
  return {
    release: (connection) => listener.release(connection),
    refuse: (connection, payload, reason) => {
      listener.refuse(connection, payload, reason);
    },
    isUnchanged: (connection) => listener.isUnchanged(connection),
    send: (connection, payload) => {
      outbox.add(connection, payload);
    },
    close: (connection, reason) => {
      outbox.flush(connection);
      listener.close(connection, reason);
    },
    stop: () => {
      outbox.flushAll();
      listener.stop();
    },
  };
}

/** What those are told who connect too often, without a look at who they are. */
function busyPayload(): Buffer {
  const error = new EndpointError(
    'tooManyRequests',
    'This user’s programs have too many connections to the helper, or make them too fast. Close some, then try again.',
  );
  return Buffer.from(failure(null, error));
}

function receive(
  event: EndpointEvent,
  { path }: ListenOptions,
  onEvent: (event: ListenerEvent) => void,
): void {
  switch (event.kind) {
    case 'frames':
      for (const data of event.payloads) {
        onEvent({ kind: 'frame', connectionId: event.connectionId, data });
      }
      break;
    case 'connection':
    case 'closed':
    case 'refused':
      onEvent(event);
      break;
    case 'failed':
      // Without an endpoint nobody can steer the helper: it ends, and its service manager starts it again.
      throw new Error(`The endpoint ${path} failed: ${event.reason}`);
  }
}
