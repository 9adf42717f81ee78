import * as z from 'zod';
import { jsonObjectSchema, type JsonObject } from './json.ts';

/**
 * Error codes by domain, each with its number.
 *
 * Spellings and numbers of the first four domains are NetworkExtension's and SystemExtensions' own
 * (`NEVPNError`, `NEVPNConnectionError`, `NETunnelProviderError`, `OSSystemExtensionError`); the others are ours.
 */
export const errorCodes = {
  VPNError: {
    configurationInvalid: 1,
    configurationDisabled: 2,
    connectionFailed: 3,
    configurationStale: 4,
    configurationReadWriteFailed: 5,
    configurationUnknown: 6,
  },
  ConnectionError: {
    overslept: 1,
    noNetworkAvailable: 2,
    unrecoverableNetworkChange: 3,
    configurationFailed: 4,
    serverAddressResolutionFailed: 5,
    serverNotResponding: 6,
    serverDead: 7,
    authenticationFailed: 8,
    clientCertificateInvalid: 9,
    clientCertificateNotYetValid: 10,
    clientCertificateExpired: 11,
    pluginFailed: 12,
    configurationNotFound: 13,
    pluginDisabled: 14,
    negotiationFailed: 15,
    serverDisconnected: 16,
    serverCertificateInvalid: 17,
    serverCertificateNotYetValid: 18,
    serverCertificateExpired: 19,
  },
  NetworkSettingsError: {
    networkSettingsInvalid: 1,
    networkSettingsCanceled: 2,
    networkSettingsFailed: 3,
  },
  SystemExtensionError: {
    unknown: 1,
    missingEntitlement: 2,
    unsupportedParentBundleLocation: 3,
    extensionNotFound: 4,
    extensionMissingIdentifier: 5,
    duplicateExtensionIdentifer: 6,
    unknownExtensionCategory: 7,
    codeSignatureInvalid: 8,
    validationFailed: 9,
    forbiddenBySystemPolicy: 10,
    requestCanceled: 11,
    requestSuperseded: 12,
    authorizationRequired: 13,
  },
  /** Provider messages and packet flow. */
  ProviderError: {
    sessionNotRunning: 1,
    timedOut: 2,
    tooLarge: 3,
    providerThrew: 4,
    stopped: 5,
    readAlreadyPending: 6,
    invalidPacket: 7,
    secretNotFound: 8,
    deviceFailed: 9,
  },
  /** Secrets and identities. */
  KeychainError: {
    wrongPassword: 1,
    malformedFile: 2,
    noPrivateKey: 3,
    noCertificate: 4,
    keyMismatch: 5,
    certificateExpired: 6,
    certificateNotYetValid: 7,
    unsupportedAlgorithm: 8,
    itemNotFound: 9,
    storeUnreadable: 10,
    tooLarge: 11,
  },
  /** The endpoint itself: who may call, what, and in which version. */
  EndpointError: {
    notReachable: 1,
    accessDenied: 2,
    protocolVersionUnsupported: 3,
    unknownMethod: 4,
    invalidParameters: 5,
    frameTooLarge: 6,
    sessionConflict: 7,
    timedOut: 8,
    internalError: 9,
    serverNotTrusted: 10,
    connectionClosed: 11,
    nameTaken: 12,
    malformedMessage: 13,
    tooManyRequests: 14,
    requestCancelled: 15,
  },
} as const;

export type ErrorDomain = keyof typeof errorCodes;
export type ErrorCode<D extends ErrorDomain> = Extract<keyof (typeof errorCodes)[D], string>;

/** An error as it crosses the endpoint, is stored, and is printed by `--json`. */
export interface SerializedError {
  readonly domain: string;
  readonly code: string;
  /** The code's number within its domain; 0 for an error of a provider's own making. */
  readonly number: number;
  /** What happened, to what, and what to do: one or two sentences for a person. */
  readonly message: string;
  readonly details?: JsonObject | undefined;
  readonly cause?: SerializedError | undefined;
}

export const serializedErrorSchema: z.ZodType<SerializedError> = z.lazy(() =>
  z.strictObject({
    domain: z.string().max(100),
    code: z.string().max(100),
    number: z.int(),
    message: z.string().max(4000),
    details: jsonObjectSchema.optional(),
    cause: serializedErrorSchema.optional(),
  }),
);

export interface ErrorOptions {
  readonly details?: JsonObject;
  readonly cause?: unknown;
}

/** Base of every typed error; `code` is a literal of its domain. */
export class SallyportError<D extends ErrorDomain = ErrorDomain> extends Error {
  readonly domain: D;
  readonly code: ErrorCode<D>;
  readonly number: number;
  readonly details: JsonObject | undefined;

  constructor(domain: D, code: ErrorCode<D>, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = domain;
    this.domain = domain;
    this.code = code;
    const numbers: Readonly<Record<string, number>> = errorCodes[domain];
    this.number = numbers[code] ?? 0;
    this.details = options.details;
  }

  toJSON(): SerializedError {
    return serializeError(this);
  }
}

export class VPNError extends SallyportError<'VPNError'> {
  constructor(code: ErrorCode<'VPNError'>, message: string, options?: ErrorOptions) {
    super('VPNError', code, message, options);
  }
}

export class ConnectionError extends SallyportError<'ConnectionError'> {
  constructor(code: ErrorCode<'ConnectionError'>, message: string, options?: ErrorOptions) {
    super('ConnectionError', code, message, options);
  }
}

export class NetworkSettingsError extends SallyportError<'NetworkSettingsError'> {
  constructor(code: ErrorCode<'NetworkSettingsError'>, message: string, options?: ErrorOptions) {
    super('NetworkSettingsError', code, message, options);
  }
}

export class SystemExtensionError extends SallyportError<'SystemExtensionError'> {
  constructor(code: ErrorCode<'SystemExtensionError'>, message: string, options?: ErrorOptions) {
    super('SystemExtensionError', code, message, options);
  }
}

export class ProviderError extends SallyportError<'ProviderError'> {
  constructor(code: ErrorCode<'ProviderError'>, message: string, options?: ErrorOptions) {
    super('ProviderError', code, message, options);
  }
}

export class KeychainError extends SallyportError<'KeychainError'> {
  constructor(code: ErrorCode<'KeychainError'>, message: string, options?: ErrorOptions) {
    super('KeychainError', code, message, options);
  }
}

export class EndpointError extends SallyportError<'EndpointError'> {
  constructor(code: ErrorCode<'EndpointError'>, message: string, options?: ErrorOptions) {
    super('EndpointError', code, message, options);
  }
}

/** An error that came from elsewhere: another process, a file, or a provider's own class. */
export class RemoteError extends Error {
  readonly domain: string;
  readonly code: string;
  readonly number: number;
  readonly details: JsonObject | undefined;

  constructor(serialized: SerializedError) {
    super(
      serialized.message,
      serialized.cause === undefined ? undefined : { cause: new RemoteError(serialized.cause) },
    );
    this.name = serialized.domain;
    this.domain = serialized.domain;
    this.code = serialized.code;
    this.number = serialized.number;
    this.details = serialized.details;
  }

  toJSON(): SerializedError {
    return serializeError(this);
  }
}

const maximumCauseDepth = 8;
const maximumMessageLength = 4000;

/**
 * Turns anything that was thrown into its JSON form.
 *
 * Stacks stay behind: they name files of the helper and may hold argument values. Causes deeper than 8 are cut.
 */
export function serializeError(error: unknown, depth = 0): SerializedError {
  const cause =
    error instanceof Error && error.cause !== undefined && depth < maximumCauseDepth
      ? serializeError(error.cause, depth + 1)
      : undefined;
  if (isTyped(error)) {
    return {
      domain: error.domain,
      code: error.code,
      number: error.number,
      message: cut(error.message),
      ...(error.details === undefined ? {} : { details: error.details }),
      ...(cause === undefined ? {} : { cause }),
    };
  }
  if (error instanceof Error) {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : 'error';
    return {
      domain: error.name.slice(0, 100),
      code: code.slice(0, 100),
      number: 0,
      message: cut(error.message),
      ...(cause === undefined ? {} : { cause }),
    };
  }
  return { domain: 'Error', code: 'error', number: 0, message: cut(textOf(error)) };
}

function isTyped(error: unknown): error is SallyportError | RemoteError {
  return error instanceof SallyportError || error instanceof RemoteError;
}

/** Turns the JSON form back into an error that can be thrown and tested by `domain` and `code`. */
export function deserializeError(serialized: SerializedError): RemoteError {
  return new RemoteError(serialized);
}

/** Whether an error, local or remote, is this code of this domain. */
export function isError<D extends ErrorDomain>(error: unknown, domain: D, ...codes: ErrorCode<D>[]): boolean {
  if (!isTyped(error)) return false;
  return error.domain === domain && (codes.length === 0 || codes.some((code) => code === error.code));
}

function textOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return 'Something was thrown that has no text.';
  }
}

function cut(message: string): string {
  return message.length > maximumMessageLength ? `${message.slice(0, maximumMessageLength - 1)}…` : message;
}
