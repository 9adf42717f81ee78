import { connect, type Socket } from 'node:net';
import * as z from 'zod';
import { EndpointError, RemoteError, serializedErrorSchema } from '../protocol/errors.ts';
import { encodeFrame, FrameDecoder } from '../protocol/frames.ts';
import { isNoncePayload } from '../protocol/handshake.ts';
import { maximumFrameBytes } from '../protocol/limits.ts';
import { decodePayload } from '../protocol/messages.ts';

export interface OpenSocketOptions {
  /** The socket, already verified (`locateEndpoint`). */
  readonly path: string;
  /** What to tell a person when nothing answers; one sentence. */
  readonly remedy?: string;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the connection and the handshake together. */
  readonly timeout: number;
}

/** First and longest pause, in milliseconds, before a helper is tried again that has no room in its queue. */
const pauses = { first: 5, longest: 250 } as const;

/** What the helper sends instead of a nonce to those it does not accept. */
const refusalSchema = z.strictObject({
  jsonrpc: z.literal('2.0'),
  id: z.null(),
  error: z.strictObject({ code: z.int(), message: z.string(), data: serializedErrorSchema }),
});

/**
 * Connects and sends the helper's nonce back; the socket then carries JSON-RPC. It is paused.
 *
 * @throws {RemoteError} why the helper refused this program: `accessDenied`, `tooManyRequests`
 * @throws {EndpointError} `notReachable`, `malformedMessage`, `connectionClosed`, `timedOut`
 */
export async function openSocket(options: OpenSocketOptions): Promise<Socket> {
  const timedOut = AbortSignal.timeout(options.timeout);
  const ends = options.signal === undefined ? timedOut : AbortSignal.any([timedOut, options.signal]);
  const socket = await connectPatiently(options, ends, timedOut);
  try {
    await shakeHands(socket, ends, () => endReason(options, timedOut, 'did not greet this program'));
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Why a program's signal was aborted, as an error. */
export function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  if (reason instanceof Error) return reason;
  const error = new Error('The request was aborted.');
  error.name = 'AbortError';
  return error;
}

function endReason(options: OpenSocketOptions, timedOut: AbortSignal, did: string): Error {
  if (options.signal?.aborted === true || !timedOut.aborted) return abortReason(options.signal);
  return new EndpointError('timedOut', `The helper at ${options.path} ${did} in time.`);
}

/** Connects; a queue that is full is no failure before time is up. */
async function connectPatiently(
  options: OpenSocketOptions,
  ends: AbortSignal,
  timedOut: AbortSignal,
): Promise<Socket> {
  for (let pause: number = pauses.first; ; pause = Math.min(2 * pause, pauses.longest)) {
    if (ends.aborted) throw endReason(options, timedOut, 'did not accept a connection');
    try {
      return await connectOnce(options.path);
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN') throw notReachable(error, options);
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, pause);
      function done(): void {
        clearTimeout(timer);
        ends.removeEventListener('abort', done);
        resolve();
      }
      ends.addEventListener('abort', done);
    });
  }
}

/** A Unix socket's connect never waits: it succeeds or fails at once. */
function connectOnce(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      // A socket that is being destroyed may still report something; nobody waits for it.
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}

function shakeHands(socket: Socket, ends: AbortSignal, endedBecause: () => Error): Promise<void> {
  return new Promise((resolve, reject) => {
    const decoder = new FrameDecoder(maximumFrameBytes);
    let received = 0;
    const settle = (act: () => void): void => {
      socket.off('data', onData);
      socket.off('close', onClose);
      ends.removeEventListener('abort', onAbort);
      socket.pause();
      act();
    };
    const fail = (error: unknown): void => {
      settle(() => {
        reject(error instanceof Error ? error : malformed(error));
      });
    };
    const onAbort = (): void => {
      fail(endedBecause());
    };
    const onClose = (): void => {
      fail(
        new EndpointError(
          'connectionClosed',
          'The helper closed the connection. It may be restarting; try again in a moment.',
        ),
      );
    };
    const onData = (chunk: Buffer): void => {
      received += chunk.byteLength;
      try {
        const [payload] = decoder.push(chunk);
        if (payload === undefined) return;
        const nonce = answerTo(payload, received);
        settle(() => {
          // Whatever is sent next goes out together with the echo.
          socket.cork();
          socket.write(nonce);
          setImmediate(() => {
            socket.uncork();
          });
          resolve();
        });
      } catch (error) {
        fail(error instanceof RemoteError ? error : malformed(error));
      }
    };
    socket.on('data', onData);
    socket.on('close', onClose);
    ends.addEventListener('abort', onAbort);
    if (ends.aborted) onAbort();
  });
}

/** The frame that answers the helper's first one. @throws why it cannot be answered */
function answerTo(payload: Uint8Array, received: number): Uint8Array {
  if (!isNoncePayload(payload)) {
    throw new RemoteError(refusalSchema.parse(decodePayload(payload)).error.data);
  }
  const frame = encodeFrame(payload);
  if (received !== frame.byteLength) throw new Error('The helper spoke before it had the answer.');
  return frame;
}

function malformed(cause: unknown): EndpointError {
  return new EndpointError(
    'malformedMessage',
    'The connection was closed: the helper did not greet this program as the protocol says. Update the app and its extension together.',
    { cause },
  );
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

function notReachable(error: unknown, options: OpenSocketOptions): EndpointError {
  const remedy =
    options.remedy ?? 'Activate the extension, or in a source tree start a helper with: npm start';
  const code = codeOf(error) ?? String(error);
  const message =
    code === 'EACCES'
      ? `You may not connect to ${options.path}. Ask an administrator for access.`
      : code === 'ENOENT' || code === 'ECONNREFUSED'
        ? remedy
        : `Nothing can be reached at ${options.path} (${code}). ${remedy}`;
  return new EndpointError('notReachable', message, { cause: error, details: { path: options.path } });
}
