import type {
  EndpointConnection,
  NotificationReceiver,
} from '@sallyport/shared/client/endpoint-connection.ts';

/** Where text goes. */
export interface Sink {
  write(text: string): void;
  /** Whether a person looks at it. */
  readonly isTTY: boolean;
}

/** A running password agent. */
export interface Agent {
  stop(): Promise<void>;
}

/** Everything a command does to the world outside; tests bring their own. */
export interface Host {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Everything on standard input, or as much of it as shows that it is longer than `limit` bytes. */
  readStdin(limit: number): Promise<Uint8Array>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Opens one connection to the endpoint. */
  connect(receiver: NotificationReceiver): Promise<EndpointConnection>;
  /** Starts a program that asks for an administrator's password on this terminal; null when that makes no sense. */
  startAgent(): Promise<Agent | null>;
  /** Calls the listener at Ctrl-C instead of ending the process. */
  onInterrupt(listener: () => void): () => void;
  /** Unix milliseconds. */
  now(): number;
}
