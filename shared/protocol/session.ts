import * as z from 'zod';
import { serializedErrorSchema } from './errors.ts';

/** `NEVPNStatus` with its numbers. */
export const sessionStatuses = {
  invalid: 0,
  disconnected: 1,
  connecting: 2,
  connected: 3,
  reasserting: 4,
  disconnecting: 5,
} as const;

export type SessionStatus = keyof typeof sessionStatuses;
export const sessionStatusSchema = z.enum([
  'invalid',
  'disconnected',
  'connecting',
  'connected',
  'reasserting',
  'disconnecting',
]);

/** `NEProviderStopReason` with its numbers, Apple's spelling kept. */
export const stopReasons = {
  none: 0,
  userInitiated: 1,
  providerFailed: 2,
  noNetworkAvailable: 3,
  unrecoverableNetworkChange: 4,
  providerDisabled: 5,
  authenticationCanceled: 6,
  configurationFailed: 7,
  idleTimeout: 8,
  configurationDisabled: 9,
  configurationRemoved: 10,
  superceded: 11,
  userLogout: 12,
  userSwitch: 13,
  connectionFailed: 14,
  sleep: 15,
  appUpdate: 16,
  internalError: 17,
} as const;

export type StopReason = keyof typeof stopReasons;
export const stopReasonSchema = z.enum([
  'none',
  'userInitiated',
  'providerFailed',
  'noNetworkAvailable',
  'unrecoverableNetworkChange',
  'providerDisabled',
  'authenticationCanceled',
  'configurationFailed',
  'idleTimeout',
  'configurationDisabled',
  'configurationRemoved',
  'superceded',
  'userLogout',
  'userSwitch',
  'connectionFailed',
  'sleep',
  'appUpdate',
  'internalError',
]);

/** How the last run of a configuration ended; kept on disk (contract L13). */
export const sessionEndSchema = z.strictObject({
  reason: stopReasonSchema,
  /** Null when the session ended as asked. */
  error: serializedErrorSchema.nullable(),
  /** Unix time in milliseconds. */
  at: z.int().nonnegative(),
});
export type SessionEnd = z.infer<typeof sessionEndSchema>;

/** One session as every client sees it. Times are Unix milliseconds. */
export const sessionSnapshotSchema = z.strictObject({
  configurationId: z.uuid(),
  status: sessionStatusSchema,
  /** When `connected` was entered; kept through `reasserting`, null otherwise. */
  connectedDate: z.int().nonnegative().nullable(),
  /** Why it is `reasserting` or still `connecting`, when something is known; for a person. */
  statusReason: z.string().max(500).nullable(),
  /** When the next attempt starts, if the last one failed and `retry` is on. */
  nextAttemptDate: z.int().nonnegative().nullable(),
  /** Counts provider instances over the life of the helper process, so that a restart of a provider is visible. */
  instance: z.int().nonnegative(),
  virtualInterface: z.strictObject({ name: z.string().max(15), index: z.int().positive() }).nullable(),
  lastEnd: sessionEndSchema.nullable(),
});
export type SessionSnapshot = z.infer<typeof sessionSnapshotSchema>;

/** Counters of one WireGuard peer. */
export const peerStatisticsSchema = z.strictObject({
  publicKey: z.string().max(64),
  /** `address:port` the peer was last heard at or is configured with. */
  endpoint: z.string().max(300).nullable(),
  /** Unix milliseconds. */
  latestHandshake: z.int().nonnegative().nullable(),
  receivedBytes: z.int().nonnegative(),
  sentBytes: z.int().nonnegative(),
});
export type PeerStatistics = z.infer<typeof peerStatisticsSchema>;

/** Traffic of a running session; bytes and packets since its start. */
export const sessionStatisticsSchema = z.strictObject({
  receivedBytes: z.int().nonnegative(),
  sentBytes: z.int().nonnegative(),
  /** Malformed packets, from the network and from the tunnel's side, that were dropped (contract P5). */
  malformedPackets: z.int().nonnegative(),
  droppedPackets: z.int().nonnegative(),
  peers: z.array(peerStatisticsSchema),
});
export type SessionStatistics = z.infer<typeof sessionStatisticsSchema>;
