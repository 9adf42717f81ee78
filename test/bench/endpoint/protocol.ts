import * as z from 'zod';

/** What is compared. The first is the product's; `docs/benchmarks.md` shows them under these titles. */
export const transports = {
  verified: 'Sallyport: verified, JSON-RPC',
  unverified: 'Node socket, our framing, JSON-RPC',
  stock: 'vscode-jsonrpc’s own socket transport',
  grpc: 'gRPC (grpc-js)',
  'verified-frames': 'Sallyport: verified, frames alone',
  'unverified-frames': 'Node socket, frames alone',
} as const;
export type Transport = keyof typeof transports;

export const transportSchema = z.enum(
  Object.keys(transports).filter((name): name is Transport => Object.hasOwn(transports, name)),
);

/** The empty call that every transport makes, and its answer. */
export const emptyMethod = 'ping';
export const emptyParams = {};

/** What the bench asks of a client process. */
export const taskSchema = z.strictObject({
  /** Calls under way at once. */
  inFlight: z.int().positive(),
  milliseconds: z.int().positive(),
});
export type Task = z.infer<typeof taskSchema>;

/** What a client process measured; microseconds. */
export const measuredSchema = z.strictObject({
  calls: z.int(),
  seconds: z.number(),
  median: z.number(),
  p99: z.number(),
});
export type Measured = z.infer<typeof measuredSchema>;

/** What either process says once it is up. */
export const readySchema = z.literal('ready');
