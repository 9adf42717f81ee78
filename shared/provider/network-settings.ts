import * as z from 'zod';
import { cidrSchema, ipAddressSchema } from '../formats/cidr.ts';

/** A route; a null gateway means the tunnel interface itself (`NEIPv4Route`, `NEIPv6Route`). */
export const routeSchema = z.strictObject({
  destination: cidrSchema,
  gateway: ipAddressSchema.nullable().default(null),
});
export type Route = z.infer<typeof routeSchema>;

/** `NEIPv4Route.default()`: everything. */
export const defaultRouteV4: Route = { destination: '0.0.0.0/0', gateway: null };
/** `NEIPv6Route.default()`: everything. */
export const defaultRouteV6: Route = { destination: '::/0', gateway: null };

/**
 * `NEIPv4Settings` and `NEIPv6Settings`.
 *
 * Included routes lead into the tunnel; excluded ones to where they would go without it.
 */
export const ipSettingsSchema = z.strictObject({
  addresses: z.array(cidrSchema).max(64),
  includedRoutes: z.array(routeSchema).max(10_000).default([]),
  excludedRoutes: z.array(routeSchema).max(10_000).default([]),
});
export type IPSettings = z.infer<typeof ipSettingsSchema>;

/**
 * `NEDNSSettings`.
 *
 * `matchDomains`: null makes the servers the default resolver when the tunnel is the default route; a list is
 * split DNS for those suffixes; `''` in the list is every name. With `matchDomainsNoSearch` false they are also
 * search domains.
 */
export const dnsSettingsSchema = z.strictObject({
  servers: z.array(ipAddressSchema).min(1).max(16),
  searchDomains: z.array(z.string().max(253)).max(32).default([]),
  domainName: z.string().max(253).nullable().default(null),
  matchDomains: z.array(z.string().max(253)).max(256).nullable().default(null),
  matchDomainsNoSearch: z.boolean().default(false),
});
export type DNSSettings = z.infer<typeof dnsSettingsSchema>;

/** How the tunnel's routes enter the system's routing. */
export const routingPolicySchema = z.strictObject({
  /**
   * `auto`: default routes go to a table of the session's own, chosen by policy rules, everything else to the
   * main table. A number: all routes go to that table and no rules are made. `off`: no routes at all.
   */
  table: z.union([z.literal('auto'), z.literal('off'), z.int().min(1).max(4_294_967_295)]).default('auto'),
  /** Mark of the tunnel's own packets, by which a full tunnel tells them apart; null lets the helper choose. */
  fwmark: z.int().min(1).max(4_294_967_295).nullable().default(null),
  /** A full tunnel for one IP family blocks the other, so that nothing goes around it. */
  blockOtherFamily: z.boolean().default(true),
});
export type RoutingPolicy = z.infer<typeof routingPolicySchema>;

/**
 * `NEPacketTunnelNetworkSettings`: the whole desired state of the virtual interface.
 *
 * `mtu` beats `tunnelOverheadBytes`, which is taken from the physical path's MTU; with both null it is that MTU
 * less 80 bytes, and never below 1280 (RFC 8200, 5).
 */
export const packetTunnelNetworkSettingsSchema = z.strictObject({
  /**
   * Address of the far side, null where there is none or several. An included route that holds it is kept from the
   * tunnel's own marked packets, which would otherwise run in a circle.
   */
  tunnelRemoteAddress: ipAddressSchema.nullable(),
  ipv4: ipSettingsSchema.nullable().default(null),
  ipv6: ipSettingsSchema.nullable().default(null),
  dns: dnsSettingsSchema.nullable().default(null),
  mtu: z.int().min(576).max(65_535).nullable().default(null),
  tunnelOverheadBytes: z.int().min(0).max(500).nullable().default(null),
  routing: routingPolicySchema.default({ table: 'auto', fwmark: null, blockOtherFamily: true }),
});
/** The settings with every default filled in. */
export type ResolvedNetworkSettings = z.output<typeof packetTunnelNetworkSettingsSchema>;
/** What a provider passes to `setTunnelNetworkSettings`; fields with a default may be left out. */
export type PacketTunnelNetworkSettings = z.input<typeof packetTunnelNetworkSettingsSchema>;
