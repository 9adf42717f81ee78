import { createServer, type Socket } from 'node:net';
import { Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js';
import { createMessageConnection, SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node';
import { FrameReader, FrameWriter } from '@sallyport/helper/endpoint/frame-connection.ts';
import { listenNatively } from '@sallyport/helper/endpoint/native-listener.ts';
import type { Listener } from '@sallyport/helper/endpoint/listener.ts';
import { encodeFrame, FrameDecoder } from '@sallyport/shared/protocol/frames.ts';
import { maximumFrameBytes } from '@sallyport/shared/protocol/limits.ts';
import { connectMessages } from '@sallyport/shared/protocol/message-connection.ts';
import { decodePayload, encodePayload, requestMessageSchema } from '@sallyport/shared/protocol/messages.ts';
import { grpcService } from './grpc.ts';
import { emptyParams, transportSchema, type Transport } from './protocol.ts';

/*
 * A server of one transport that answers every call with nothing; its own process, so that its cost can be told from
 * the client's. Arguments: transport, path of the socket.
 */

/** What a connection needs: how to send a frame. Gives back what takes the frames that come. */
type Serve = (send: (payload: Uint8Array) => void) => (payload: Uint8Array) => void;

/** The helper's own reader and writer below vscode-jsonrpc. */
const serveJsonRpc: Serve = (send) => {
  const reader = new FrameReader({ request: () => 'pass', cancel: () => undefined });
  const writer = new FrameWriter({ send, close: () => undefined }, () => undefined);
  const rpc = connectMessages(reader, writer);
  rpc.onRequest(() => emptyParams);
  rpc.listen();
  return (payload) => {
    const problem = reader.receive(payload);
    if (problem !== null) throw new Error(problem);
  };
};

/** JSON and nothing else. */
const serveFrames: Serve = (send) => (payload) => {
  const { id } = requestMessageSchema.parse(decodePayload(payload));
  send(encodePayload({ jsonrpc: '2.0', id, result: emptyParams }));
};

function listenVerified(path: string, serve: Serve): void {
  const clients = new Map<number, (payload: Uint8Array) => void>();
  const listener: Listener = listenNatively({ path, developerMode: false, maximumFrameBytes }, (event) => {
    if (event.kind === 'connection') {
      const id = event.connectionId;
      clients.set(
        id,
        serve((payload) => {
          listener.send(id, Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength));
        }),
      );
      listener.release(id);
    } else if (event.kind === 'frame') clients.get(event.connectionId)?.(event.data);
    else if (event.kind === 'closed') clients.delete(event.connectionId);
  });
}

function listenUnverified(path: string, serve: Serve): Promise<void> {
  return listenPlain(path, (socket) => {
    const decoder = new FrameDecoder(maximumFrameBytes);
    const take = serve((payload) => socket.write(encodeFrame(payload)));
    socket.on('data', (chunk) => {
      for (const payload of decoder.push(chunk)) take(payload);
    });
  });
}

function listenStock(path: string): Promise<void> {
  return listenPlain(path, (socket) => {
    const rpc = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
    rpc.onRequest(() => emptyParams);
    rpc.listen();
  });
}

function listenPlain(path: string, onConnection: (socket: Socket) => void): Promise<void> {
  return new Promise((resolve) => {
    createServer((socket) => {
      socket.on('error', () => undefined);
      onConnection(socket);
    }).listen(path, resolve);
  });
}

function listenGrpc(path: string): Promise<void> {
  const server = new GrpcServer();
  server.addService(grpcService, {
    ping: (_call: unknown, answer: (error: null, value: unknown) => void) => {
      answer(null, emptyParams);
    },
  });
  return new Promise((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

const listen: Readonly<Record<Transport, (path: string) => void | Promise<void>>> = {
  verified: (path) => {
    listenVerified(path, serveJsonRpc);
  },
  'verified-frames': (path) => {
    listenVerified(path, serveFrames);
  },
  unverified: (path) => listenUnverified(path, serveJsonRpc),
  'unverified-frames': (path) => listenUnverified(path, serveFrames),
  stock: listenStock,
  grpc: listenGrpc,
};

const [transport, path = ''] = process.argv.slice(2);
await listen[transportSchema.parse(transport)](path);
process.send?.('ready');
