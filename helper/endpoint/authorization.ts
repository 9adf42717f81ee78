import { EndpointError } from '@sallyport/shared/protocol/errors.ts';
import type { MethodName } from '@sallyport/shared/protocol/methods.ts';
import type { AuthorityAnswer } from './authority.ts';

/** Why a method was not allowed: what the authority said, or that it could not be asked. */
export type Denial = Exclude<AuthorityAnswer, 'yes'> | 'unidentified';

/**
 * The error that a denied caller gets; each reason has its own sentence.
 *
 * The table method × role is `shared/protocol/authorization.ts`.
 *
 * @param action polkit's name of the action
 */
export function accessDenied(method: MethodName, action: string, reason: Denial): EndpointError {
  return new EndpointError('accessDenied', sentence(method, reason), { details: { method, action, reason } });
}

function sentence(method: MethodName, reason: Denial): string {
  switch (reason) {
    case 'no':
      return `The rules of this computer do not let you do this (${method}). Ask an administrator, or run it as root.`;
    case 'challenge':
      return `This needs an administrator's password (${method}), and nobody could be asked for it. Run it in a desktop session, or as root, for instance with sudo.`;
    case 'busy':
      return `This needs an administrator's password (${method}), and too many such questions are on screens already. Answer or close one, then try again.`;
    case 'dismissed':
      return `The question for an administrator's password was dismissed (${method}). Try again and answer it.`;
    case 'absent':
      return `polkit is not running, so only root may do this (${method}). Install and start polkit, or run it as root, for instance with sudo.`;
    case 'unidentified':
      return `The kernel does not say when this program began, so polkit cannot be asked about it (${method}). Run it as root, for instance with sudo.`;
  }
}
