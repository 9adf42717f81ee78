import type { SerializedError } from '@sallyport/shared/protocol/errors.ts';

/** Why the window has nothing to show, and what to do about it. */
export interface ExtensionTrouble {
  readonly title: string;
  readonly explanation: string;
  readonly remedy: string;
  /** The exact words for whoever is asked for help. */
  readonly reason: string;
}

/** Puts into words why the system extension cannot be used. */
export function describeExtensionTrouble(error: SerializedError, packaged: boolean): ExtensionTrouble {
  const reason = error.message;
  if (error.domain === 'EndpointError') {
    switch (error.code) {
      case 'accessDenied':
        return {
          title: 'You may not use Sallyport here',
          explanation: 'The system extension runs, but it does not accept this user or this copy of the app.',
          remedy: 'Open the installed Sallyport, or ask an administrator of this computer.',
          reason,
        };
      case 'protocolVersionUnsupported':
        return {
          title: 'App and extension do not fit together',
          explanation: 'They are of different versions and have no language in common.',
          remedy: 'Install the same version of both, then open Sallyport again.',
          reason,
        };
      case 'serverNotTrusted':
        return {
          title: 'The extension cannot be trusted',
          explanation:
            'Something answers in its place, but others than the administrator could have put it there. Nothing was sent to it.',
          remedy: 'Tell the administrator of this computer what stands below.',
          reason,
        };
      default:
        break;
    }
  }
  const path = socketPath(error);
  return {
    title: 'The extension is not active',
    explanation:
      'Sallyport’s system extension holds your tunnels and their keys. It is not running, so nothing can be shown or changed.',
    remedy: packaged
      ? 'Ask an administrator to start it. As soon as it answers, this page goes away by itself.'
      : 'In a source tree, npm start runs the app together with a helper.',
    reason: path === undefined || reason.includes(path) ? reason : `Nothing answers at ${path}.`,
  };
}

function socketPath(error: SerializedError): string | undefined {
  const path = error.details?.['path'];
  return typeof path === 'string' ? path : undefined;
}
