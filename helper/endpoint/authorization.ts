import { EndpointError } from '@sallyport/shared/protocol/errors.ts';
import { methods, roles, type MethodName, type Role } from '@sallyport/shared/protocol/methods.ts';

/**
 * Refuses a method that a role may not call.
 *
 * The table method × role is `methods` itself; each role includes the ones before it.
 *
 * @throws {EndpointError} `accessDenied`
 */
export function authorize(method: MethodName, role: Role): void {
  const needed = methods[method].role;
  if (roles.indexOf(role) >= roles.indexOf(needed)) return;
  throw new EndpointError(
    'accessDenied',
    needed === 'administrator'
      ? `Only an administrator may do this (${method}). Run it as root, for instance with sudo.`
      : `This program may not do this (${method}). Use the Sallyport app or its command line.`,
    { details: { method, role, needed } },
  );
}
