import { createHash } from 'node:crypto';

/** `IFNAMSIZ` less the final NUL. */
export const maximumInterfaceNameLength = 15;

/**
 * Prefix of every interface of an extension, such as `sp4f21-` (contract L10).
 *
 * Derived from the identifier, so that two extensions keep apart and one pattern names all of ours.
 */
export function interfacePrefix(extensionIdentifier: string): string {
  return `sp${digest(extensionIdentifier, 4)}-`;
}

/** Name of a configuration's interface: always the same one, 15 characters. */
export function interfaceName(extensionIdentifier: string, configurationId: string): string {
  return `${interfacePrefix(extensionIdentifier)}${digest(configurationId, 8)}`;
}

function digest(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}
