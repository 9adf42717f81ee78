import { expect, it } from 'vitest';
import {
  ConnectionError,
  EndpointError,
  ProviderError,
  RemoteError,
  serializeError,
  SystemExtensionError,
  VPNError,
} from '@sallyport/shared/protocol/errors.ts';
import { exitCodeOf } from './exit-code.ts';
import { UsageError } from './usage-error.ts';

it.each<[Error, number]>([
  [new Error('anything'), 1],
  [new VPNError('configurationStale', ''), 1],
  [new ConnectionError('serverNotResponding', ''), 1],
  [new EndpointError('nameTaken', ''), 1],
  [new EndpointError('protocolVersionUnsupported', ''), 1],
  [new UsageError(''), 2],
  [new EndpointError('accessDenied', ''), 3],
  [new SystemExtensionError('authorizationRequired', ''), 3],
  [new EndpointError('notReachable', ''), 4],
  [new EndpointError('serverNotTrusted', ''), 4],
  [new EndpointError('connectionClosed', ''), 4],
  [new EndpointError('timedOut', ''), 5],
  [new ProviderError('timedOut', ''), 5],
])('%o ends with %i, from here or from the helper', (error, code) => {
  expect(exitCodeOf(error)).toBe(code);
  if (!(error instanceof UsageError)) expect(exitCodeOf(new RemoteError(serializeError(error)))).toBe(code);
});
