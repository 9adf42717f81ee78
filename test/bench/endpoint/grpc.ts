import type { ServiceDefinition } from '@grpc/grpc-js';

/** JSON as gRPC's message format: what is compared is the transport, not protobuf. */
export function jsonBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

export function parseJson(bytes: Buffer): unknown {
  const value: unknown = JSON.parse(bytes.toString());
  return value;
}

/** One unary call. */
export const grpcService = {
  ping: {
    path: '/bench.Endpoint/Ping',
    requestStream: false,
    responseStream: false,
    requestSerialize: jsonBytes,
    requestDeserialize: parseJson,
    responseSerialize: jsonBytes,
    responseDeserialize: parseJson,
  },
} as const satisfies ServiceDefinition;
