import { isError } from '@sallyport/shared/protocol/errors.ts';
import { UsageError } from './usage-error.ts';

/** Exit codes, the same for every command. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  notAllowed: 3,
  notReachable: 4,
  timedOut: 5,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** What each exit code says, for the documentation. */
export const exitCodeMeanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  done: 'Done.',
  failed: 'Failed; the message says what and why.',
  usage: 'The command line is wrong, or a name is ambiguous.',
  notAllowed: 'Not allowed: an administrator did not approve.',
  notReachable: 'The helper cannot be reached, or what answers in its place is not trusted.',
  timedOut: 'Timed out; what was begun may still go on.',
};

/** The exit code for whatever a command threw. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return exitCodes.usage;
  if (isError(error, 'EndpointError', 'accessDenied')) return exitCodes.notAllowed;
  if (isError(error, 'SystemExtensionError', 'authorizationRequired')) return exitCodes.notAllowed;
  if (isError(error, 'EndpointError', 'notReachable', 'serverNotTrusted', 'connectionClosed')) {
    return exitCodes.notReachable;
  }
  if (isError(error, 'EndpointError', 'timedOut') || isError(error, 'ProviderError', 'timedOut')) {
    return exitCodes.timedOut;
  }
  return exitCodes.failed;
}
