import { readlinkSync } from 'node:fs';

/** Names, to what runs inside private namespaces, the host's, in which it must not be. */
export const hostNamespacesVariable = 'SALLYPORT_HOST_NAMESPACES';

/** The network and the mount namespace of this process, as the kernel names them. */
export function ownNamespaces(): readonly [net: string, mount: string] {
  return [readlinkSync('/proc/self/ns/net'), readlinkSync('/proc/self/ns/mnt')];
}

/**
 * Guards everything that changes routes, DNS or firewall without being installed (contract A10).
 *
 * @throws {Error} this process is not inside private namespaces that a developer's tool made
 */
export function assertPrivateNamespaces(): void {
  const host = process.env[hostNamespacesVariable]?.split(' ');
  const isPrivate = host?.length === 2 && ownNamespaces().every((own) => !host.includes(own));
  if (isPrivate) return;
  throw new Error(
    'Developer mode would change the machine’s own network here. ' +
      'Start it with npm start, npm run demo or a test tier, which make private namespaces for it.',
  );
}
