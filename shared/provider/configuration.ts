/** The part of a saved configuration that belongs to its provider. */
export type { TunnelProviderProtocol } from '../protocol/configuration.ts';
