import { EndpointError } from '@sallyport/shared/protocol/errors.ts';
import { includesRole, roleFor, type Role } from '@sallyport/shared/protocol/authorization.ts';
import type { MethodName } from '@sallyport/shared/protocol/methods.ts';

/**
 * Refuses a method that a role may not call.
 *
 * The table method × role is `shared/protocol/authorization.ts`.
 *
 * @throws {EndpointError} `accessDenied`
 */
export function authorize(method: MethodName, role: Role): void {
  const needed = roleFor(method);
  if (includesRole(role, needed)) return;
  throw new EndpointError(
    'accessDenied',
    needed === 'administrator'
      ? `Only an administrator may do this (${method}). Run it as root, for instance with sudo.`
      : `This program may not do this (${method}). Use the Sallyport app or its command line.`,
    { details: { method, role, needed } },
  );
}
