import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { CategoryLog } from '../log/logger.ts';
import type { EndpointEvent } from '../native/binding.d.ts';
import { native } from '../native/load.ts';
import type { Listener, ListenerEvent } from './endpoint-server.ts';

export interface ListenOptions {
  readonly path: string;
  readonly developerMode: boolean;
  readonly maximumFrameBytes: number;
  readonly log: CategoryLog;
}

/** Connections at once; a person has an app, a CLI or two, and programs that watch. */
const maximumConnections = 256;
/** Bytes that may wait for a client that reads slowly, before it is dropped. */
const maximumQueuedBytes = 8 * 1024 * 1024;
/** Milliseconds that a client has for its first frame, and for any one frame. */
const frameDeadline = 5000;

/**
 * Opens the endpoint's socket.
 *
 * Anyone may connect to the system's socket and is then verified; a developer's lies in a directory that only its
 * owner may enter. The native side refuses a directory that somebody else could write to.
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
      maxQueuedBytes: maximumQueuedBytes,
      handshakeTimeoutMs: frameDeadline,
      requireSameNamespaces: !options.developerMode,
    },
    (event) => {
      receive(event, options, onEvent);
    },
  );
  return {
    release: () => true,
    refuse: (connection, payload, reason) => {
      listener.send(connection, payload);
      listener.close(connection, reason);
    },
    isUnchanged: () => true,
    send: (connection, payload) => listener.send(connection, payload),
    close: (connection, reason) => {
      listener.close(connection, reason);
    },
    stop: () => {
      listener.stop();
    },
  };
}

function receive(
  event: EndpointEvent,
  { path, log }: ListenOptions,
  onEvent: (event: ListenerEvent) => void,
): void {
  switch (event.kind) {
    case 'connection':
      onEvent({ ...event, peer: { ...event.peer, startTime: null } });
      break;
    case 'frame':
    case 'closed':
      onEvent(event);
      break;
    case 'refused':
      log('warning', `A caller was turned away: ${event.reason}.`, { pid: event.pid, uid: event.uid });
      break;
    case 'failed':
      // Without an endpoint nobody can steer the helper: it ends, and its service manager starts it again.
      throw new Error(`The endpoint ${path} failed: ${event.reason}`);
  }
}
