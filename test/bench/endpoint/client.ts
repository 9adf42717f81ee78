import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Client as GrpcClient, credentials } from '@grpc/grpc-js';
import {
  createMessageConnection,
  SocketMessageReader,
  SocketMessageWriter,
  type MessageConnection,
} from 'vscode-jsonrpc/node';
import { FramedMessageReader, FramedMessageWriter } from '@sallyport/shared/client/framed-transport.ts';
import { openSocket } from '@sallyport/shared/client/open-socket.ts';
import { encodeFrame, FrameDecoder } from '@sallyport/shared/protocol/frames.ts';
import { maximumFrameBytes } from '@sallyport/shared/protocol/limits.ts';
import { connectMessages } from '@sallyport/shared/protocol/message-connection.ts';
import {
  decodePayload,
  encodePayload,
  messageToClientSchema,
  responseMessageSchema,
} from '@sallyport/shared/protocol/messages.ts';
import { quantile } from '../result.ts';
import { grpcService } from './grpc.ts';
import {
  emptyMethod,
  emptyParams,
  taskSchema,
  transportSchema,
  type Measured,
  type Task,
  type Transport,
} from './protocol.ts';

/* A client of one transport that makes empty calls as it is told. Arguments: transport, path of the socket. */

type Call = () => Promise<unknown>;

function callsOver(rpc: MessageConnection): Call {
  rpc.listen();
  return () => rpc.sendRequest(emptyMethod, emptyParams);
}

function overOurReader(socket: Socket): Call {
  const reader = new FramedMessageReader(socket, messageToClientSchema);
  const call = callsOver(connectMessages(reader, new FramedMessageWriter(socket)));
  socket.resume();
  return call;
}

function overFrames(socket: Socket): Call {
  const decoder = new FrameDecoder(maximumFrameBytes);
  const waiting = new Map<number, (result: unknown) => void>();
  let last = 0;
  socket.on('data', (chunk) => {
    for (const payload of decoder.push(chunk)) {
      const answer = responseMessageSchema.parse(decodePayload(payload));
      if (answer.id === null || !('result' in answer)) throw new Error('The call was refused.');
      waiting.get(answer.id)?.(answer.result);
      waiting.delete(answer.id);
    }
  });
  socket.resume();
  return () =>
    new Promise((resolve) => {
      last += 1;
      waiting.set(last, resolve);
      const request = { jsonrpc: '2.0', id: last, method: emptyMethod, params: emptyParams };
      socket.write(encodeFrame(encodePayload(request)));
    });
}

function overGrpc(path: string): Call {
  const client = new GrpcClient(`unix:${path}`, credentials.createInsecure());
  const { path: method, requestSerialize, responseDeserialize } = grpcService.ping;
  return () =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(method, requestSerialize, responseDeserialize, emptyParams, (error, value) => {
        if (error === null) resolve(value);
        else reject(error);
      });
    });
}

async function plainSocket(path: string): Promise<Socket> {
  const socket = connect(path);
  await once(socket, 'connect');
  return socket;
}

const open: Readonly<Record<Transport, (path: string) => Promise<Call>>> = {
  verified: async (path) => overOurReader(await openSocket({ path, timeout: 5000 })),
  unverified: async (path) => overOurReader(await plainSocket(path)),
  stock: async (path) => {
    const socket = await plainSocket(path);
    return callsOver(
      createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket)),
    );
  },
  grpc: (path) => Promise.resolve(overGrpc(path)),
  'verified-frames': async (path) => overFrames(await openSocket({ path, timeout: 5000 })),
  'unverified-frames': async (path) => overFrames(await plainSocket(path)),
};

async function measure(call: Call, { inFlight, milliseconds }: Task): Promise<Measured> {
  const trips: number[] = [];
  const begin = performance.now();
  const loop = async (): Promise<void> => {
    for (let now = performance.now(); now < begin + milliseconds;) {
      await call();
      const after = performance.now();
      trips.push((after - now) * 1000);
      now = after;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  return {
    calls: trips.length,
    seconds: (performance.now() - begin) / 1000,
    median: quantile(trips, 0.5),
    p99: quantile(trips, 0.99),
  };
}

const [transport, path = ''] = process.argv.slice(2);
const call = await open[transportSchema.parse(transport)](path);
await call();
process.on('message', (message) => {
  void measure(call, taskSchema.parse(message)).then((measured) => process.send?.(measured));
});
process.send?.('ready');
