import type { Configuration } from '@sallyport/shared/protocol/configuration.ts';
import type { SerializedError } from '@sallyport/shared/protocol/errors.ts';
import type { SessionSnapshot } from '@sallyport/shared/protocol/session.ts';
import type { AppState, Tunnel } from '../bridge/state.ts';

/** Tunnels, sessions and states for tests. */
export const now = new Date(2026, 4, 5, 14, 30, 0).getTime();

export function exampleId(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
}

export function exampleSession(change: Partial<SessionSnapshot> = {}, number = 1): SessionSnapshot {
  return {
    configurationId: exampleId(number),
    status: 'disconnected',
    connectedDate: null,
    statusReason: null,
    nextAttemptDate: null,
    instance: 0,
    virtualInterface: null,
    lastEnd: null,
    ...change,
  };
}

export function exampleTunnel(change: Partial<Tunnel> = {}, number = 1): Tunnel {
  return {
    id: exampleId(number),
    name: `Tunnel ${String(number)}`,
    serverAddress: 'vpn.example.net:51820',
    isEnabled: true,
    details: null,
    session: null,
    ...change,
  };
}

export function exampleConfiguration(change: Partial<Configuration> = {}, number = 1): Configuration {
  return {
    id: exampleId(number),
    name: `Tunnel ${String(number)}`,
    isEnabled: true,
    scope: 'system',
    retry: true,
    protocolConfiguration: {
      providerBundleIdentifier: 'com.example.provider',
      serverAddress: 'vpn.example.net:51820',
      username: null,
      passwordReference: null,
      identityReference: null,
      disconnectOnSleep: false,
      includeAllNetworks: false,
      excludeLocalNetworks: false,
      enforceRoutes: false,
      providerConfiguration: null,
    },
    secretReferences: [],
    revision: 1,
    owner: 1000,
    createdAt: now,
    modifiedAt: now,
    ...change,
  };
}

/** A state with tunnels named `Tunnel 1`, `Tunnel 2` …, one for each session. */
export function exampleState(...sessions: readonly Partial<SessionSnapshot>[]): AppState {
  return {
    extension: {
      state: 'active',
      version: '0.1.0',
      developerMode: false,
      role: 'container',
      hiddenSessions: 0,
    },
    tunnels: sessions.map((session, index) =>
      exampleTunnel({ session: exampleSession(session, index + 1) }, index + 1),
    ),
  };
}

export const connectionFailed: SerializedError = {
  domain: 'VPNError',
  code: 'connectionFailed',
  number: 3,
  message: 'The peer did not answer.',
};

export const unreachable: AppState = {
  extension: {
    state: 'unreachable',
    error: { domain: 'EndpointError', code: 'notReachable', number: 1, message: 'Nothing there.' },
    packaged: true,
  },
  tunnels: [],
};
