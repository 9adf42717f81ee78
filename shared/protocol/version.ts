/**
 * Version of the endpoint's protocol; grows with each incompatible change.
 *
 * A side speaks this version and the one before (contract E9); there is no version 0.
 */
export const protocolVersion = 1;

/** Oldest version this side still speaks. */
export const oldestProtocolVersion = 1;
