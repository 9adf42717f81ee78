import * as z from 'zod';
import { jsonObjectSchema } from './json.ts';
import { tunnelNameSchema } from '../formats/tunnel-name.ts';

/** Reverse-DNS identifier of an extension or a provider, as in `CFBundleIdentifier`. */
export const bundleIdentifierSchema = z
  .string()
  .max(100)
  .regex(/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/, 'must be a reverse-DNS identifier such as com.example.tunnel');

/** Largest vendor dictionary, in bytes of its JSON text. */
export const maximumProviderConfigurationBytes = 256 * 1024;

/** An opaque reference to a secret in the helper's store. */
export const secretReferenceSchema = z.uuid();

/**
 * `NETunnelProviderProtocol`: which provider runs, and with what.
 *
 * Holds references to secrets, never a secret (contract K4).
 */
export const tunnelProviderProtocolSchema = z.strictObject({
  providerBundleIdentifier: bundleIdentifierSchema,
  /** IP address, name or URL, shown to the person. */
  serverAddress: z.string().max(500).nullable(),
  username: z.string().max(255).nullable().default(null),
  passwordReference: secretReferenceSchema.nullable().default(null),
  identityReference: secretReferenceSchema.nullable().default(null),
  disconnectOnSleep: z.boolean().default(false),
  includeAllNetworks: z.boolean().default(false),
  excludeLocalNetworks: z.boolean().default(false),
  enforceRoutes: z.boolean().default(false),
  /** The provider's own dictionary; the system passes it on unread. */
  providerConfiguration: jsonObjectSchema
    .refine((value) => JSON.stringify(value).length <= maximumProviderConfigurationBytes, {
      message: `must not be larger than ${String(maximumProviderConfigurationBytes)} bytes as JSON`,
    })
    .nullable()
    .default(null),
});
export type TunnelProviderProtocol = z.infer<typeof tunnelProviderProtocolSchema>;

/** What a client sends with `configurations.save`. */
export const configurationDraftSchema = z.strictObject({
  id: z.uuid(),
  name: tunnelNameSchema,
  isEnabled: z.boolean().default(true),
  /** Who may use it: everybody on this computer, or its owner and administrators alone. */
  scope: z.enum(['system', 'user']).default('system'),
  /** After a failed start, start again with growing pauses until the person stops it. */
  retry: z.boolean().default(true),
  protocolConfiguration: tunnelProviderProtocolSchema,
  /** Every reference that `protocolConfiguration` uses, so that the store knows what to keep. */
  secretReferences: z.array(secretReferenceSchema).max(2000).default([]),
});
export type ConfigurationDraft = z.infer<typeof configurationDraftSchema>;

/** A stored configuration. */
export const configurationSchema = z.strictObject({
  ...configurationDraftSchema.shape,
  /** Grows by one with each save; the optimistic lock of `save` (contract M2). */
  revision: z.int().positive(),
  /** Uid that created it. */
  owner: z.int().nonnegative(),
  /** Unix milliseconds. */
  createdAt: z.int().nonnegative(),
  modifiedAt: z.int().nonnegative(),
});
export type Configuration = z.infer<typeof configurationSchema>;
