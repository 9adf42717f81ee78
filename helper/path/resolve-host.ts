import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { ConnectionError } from '@sallyport/shared/protocol/errors.ts';

/**
 * Resolves a host name with the system's resolver; a literal is returned as it is.
 *
 * @returns at least one address, in the system's order of preference (RFC 6724)
 * @throws {ConnectionError} `serverAddressResolutionFailed`
 */
export async function resolveHost(host: string): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  try {
    const found = await lookup(host, { all: true, order: 'verbatim' });
    return found.map(({ address }) => address);
  } catch (error) {
    throw new ConnectionError(
      'serverAddressResolutionFailed',
      `The server name ${host} could not be resolved. Check the name and that this machine is online.`,
      { cause: error },
    );
  }
}
