import * as z from 'zod';
import { cidrSchema } from '../formats/cidr.ts';
import { secretReferenceSchema } from '../protocol/configuration.ts';
import type { PeerStatistics, SessionStatistics } from '../protocol/session.ts';

const publicKeySchema = z.base64().length(44);

/** One WireGuard peer. The preshared key is a reference: no key passes through a provider. */
export const wireGuardPeerSchema = z.strictObject({
  publicKey: publicKeySchema,
  presharedKeyReference: secretReferenceSchema.nullable().default(null),
  allowedIPs: z.array(cidrSchema).max(10_000),
  /** `address:port` or `[address]:port`, already resolved; null for a peer that calls us. */
  endpoint: z.string().max(100).nullable().default(null),
  /** Seconds, 1 to 65535; null is off. */
  persistentKeepalive: z.int().min(1).max(65_535).nullable().default(null),
});
export type WireGuardPeer = z.input<typeof wireGuardPeerSchema>;

/** What a native WireGuard device is made from. */
export const wireGuardSettingsSchema = z.strictObject({
  privateKeyReference: secretReferenceSchema,
  /** UDP port; null takes any free one. */
  listenPort: z.int().min(1).max(65_535).nullable().default(null),
  /** Mark of the device's own packets; null takes the one that the system chose for the session. */
  fwmark: z.int().min(1).max(4_294_967_295).nullable().default(null),
  peers: z.array(wireGuardPeerSchema).min(1).max(1000),
});
export type WireGuardSettings = z.input<typeof wireGuardSettingsSchema>;
export type ResolvedWireGuardSettings = z.output<typeof wireGuardSettingsSchema>;

/** What a running device tells its provider. */
export type WireGuardEvent =
  | { readonly kind: 'handshake'; readonly publicKey: string; readonly endpoint: string }
  | { readonly kind: 'handshakeFailed'; readonly publicKey: string }
  | { readonly kind: 'endpointChanged'; readonly publicKey: string; readonly endpoint: string }
  | { readonly kind: 'failed'; readonly message: string };

/**
 * A native WireGuard device on the provider's virtual interface. Its packets never enter JavaScript.
 *
 * It ends with the provider instance; `close` ends it earlier.
 */
export interface WireGuardTunnel {
  /** Replaces keys, peers and allowed addresses; unchanged peers keep their sessions. */
  configure(settings: WireGuardSettings): Promise<void>;
  /** Points a peer somewhere else, after its name was resolved again. */
  setPeerEndpoint(publicKey: string, endpoint: string): void;
  /** Takes fresh sockets and shakes hands again, after the network changed. */
  roam(): void;
  statistics(): SessionStatistics;
  peers(): readonly PeerStatistics[];
  onEvent(listener: (event: WireGuardEvent) => void): void;
  close(): Promise<void>;
}
