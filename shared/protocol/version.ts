import { EndpointError } from './errors.ts';

/**
 * Version of the endpoint's protocol; grows with each incompatible change.
 *
 * A side speaks this version and the one before (contract E9); there is no version 0.
 */
export const protocolVersion = 1;

/** Oldest version this side still speaks. */
export const oldestProtocolVersion = 1;

/** The versions that one side speaks, both included. */
export interface VersionRange {
  readonly oldest: number;
  readonly newest: number;
}

/** What this build speaks. */
export const protocolVersions: VersionRange = { oldest: oldestProtocolVersion, newest: protocolVersion };

/**
 * Agrees on the newest version that both sides speak.
 *
 * @throws {EndpointError} `protocolVersionUnsupported`, whose message and `details.update` (`client` or `helper`) say
 * which side is the older one; `invalidParameters` for a range that holds nothing
 */
export function negotiate(client: VersionRange, helper: VersionRange): number {
  if (client.oldest > client.newest) {
    throw new EndpointError('invalidParameters', 'The oldest protocol version is newer than the newest.');
  }
  const agreed = Math.min(client.newest, helper.newest);
  if (agreed >= client.oldest && agreed >= helper.oldest) return agreed;
  throw versionMismatch(client, helper);
}

/**
 * The client's look at what the helper chose, in case that one negotiates otherwise.
 *
 * @throws {EndpointError} `protocolVersionUnsupported`, as `negotiate` throws it
 */
export function checkAgreed(agreed: number, client: VersionRange): void {
  if (agreed >= client.oldest && agreed <= client.newest) return;
  throw versionMismatch(client, { oldest: agreed, newest: agreed });
}

function versionMismatch(client: VersionRange, helper: VersionRange): EndpointError {
  const update = client.newest < helper.oldest ? 'client' : 'helper';
  const remedy =
    update === 'client'
      ? 'This program is older than the system extension: update this program.'
      : 'The system extension is older than this program: activate the extension that came with it.';
  return new EndpointError(
    'protocolVersionUnsupported',
    `${remedy} (It speaks version ${text(update === 'client' ? client : helper)} of the protocol, the other side ${text(update === 'client' ? helper : client)}.)`,
    { details: { update, client: { ...client }, helper: { ...helper } } },
  );
}

function text({ oldest, newest }: VersionRange): string {
  return oldest === newest ? String(oldest) : `${String(oldest)} to ${String(newest)}`;
}
