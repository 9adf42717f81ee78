import type { ChangeOf } from './change.ts';

/** NetworkManager's run-time directory, there if and only if it has been started since the boot. */
export const networkManagerDirectory = '/run/NetworkManager';

/**
 * Tells NetworkManager to leave our interfaces alone (NetworkManager.conf(5), device sections): it would otherwise
 * adopt a TUN device as an external connection, show it, and in some versions take its addresses away.
 *
 * systemd-networkd needs no telling: it leaves an interface alone that no .network file matches, and a file that
 * matches every interface (`Name=*`) takes ours too, as it takes everybody's.
 */
export function unmanagedByNetworkManager(extension: string, interfacePrefix: string): ChangeOf<'file'> {
  if (!/^[A-Za-z0-9.-]+$/.test(extension) || !/^[A-Za-z0-9_-]+$/.test(interfacePrefix)) {
    throw new TypeError(
      `"${extension}" and "${interfacePrefix}" must not hold characters with a meaning of their own.`,
    );
  }
  return {
    kind: 'file',
    path: `${networkManagerDirectory}/conf.d/90-${extension}.conf`,
    content: [
      `[device-${extension}]`,
      `match-device=interface-name:${interfacePrefix}*`,
      'managed=0',
      '',
    ].join('\n'),
    reload: 'networkManager',
  };
}
