import * as z from 'zod';
import { bundleIdentifierSchema } from './configuration.ts';

export const providerTypes = ['packet-tunnel', 'dns-proxy'] as const;
export const providerTypeSchema = z.enum(providerTypes);
export type ProviderType = z.infer<typeof providerTypeSchema>;

/** `Found N (M active) registrations for ID (TYPE)` as data (contract L9). */
export const registrationSchema = z.strictObject({
  identifier: bundleIdentifierSchema,
  type: providerTypeSchema,
  /** Registered provider classes under this identifier and type. */
  found: z.int().nonnegative(),
  /** Instances running now. */
  active: z.int().nonnegative(),
});
export type Registration = z.infer<typeof registrationSchema>;

/** `OSSystemExtensionProperties` and what only ours has. */
export const extensionPropertiesSchema = z.strictObject({
  bundleIdentifier: bundleIdentifierSchema,
  bundleVersion: z.string().max(50),
  bundleShortVersion: z.string().max(50),
  url: z.string().max(1000),
  isEnabled: z.boolean(),
  isAwaitingUserApproval: z.boolean(),
  isUninstalling: z.boolean(),
  developerMode: z.boolean(),
  pid: z.int().positive(),
  /** Unix milliseconds. */
  startedAt: z.int().nonnegative(),
  registrations: z.array(registrationSchema),
});
export type ExtensionProperties = z.infer<typeof extensionPropertiesSchema>;
