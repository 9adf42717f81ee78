import { tunnelNameKey } from '@sallyport/shared/formats/tunnel-name.ts';
import { VPNError } from '@sallyport/shared/protocol/errors.ts';
import { visible } from './format/visible.ts';
import type { Tunnel } from './tunnel.ts';
import { UsageError } from './usage-error.ts';

/**
 * The tunnel that a person means: the one of exactly this name, else the only one whose name, upper or lower case
 * alike, is this or begins with this.
 *
 * @throws {UsageError} several begin so
 * @throws {VPNError} `configurationUnknown`: none does
 */
export function resolveTunnel(tunnels: readonly Tunnel[], typed: string): Tunnel {
  const name = typed.normalize('NFC');
  const exact = tunnels.find(({ configuration }) => configuration.name === name);
  if (exact !== undefined) return exact;
  const key = tunnelNameKey(name);
  const twin = tunnels.find(({ configuration }) => tunnelNameKey(configuration.name) === key);
  if (twin !== undefined) return twin;
  const matches =
    key === ''
      ? []
      : tunnels.filter(({ configuration }) => tunnelNameKey(configuration.name).startsWith(key));
  const [first, second] = matches;
  if (first !== undefined && second === undefined) return first;
  if (first === undefined) {
    throw new VPNError(
      'configurationUnknown',
      `No tunnel is named “${visible(typed)}”. To see those that there are: sallyport list`,
    );
  }
  const names = matches.map(({ configuration }) => `“${visible(configuration.name)}”`).join(', ');
  throw new UsageError(`“${visible(typed)}” may be ${names}. Type more of the name.`);
}
