/** `NWPathStatus` with its numbers. */
export const networkPathStatuses = { invalid: 0, satisfied: 1, unsatisfied: 2, satisfiable: 3 } as const;
export type NetworkPathStatus = keyof typeof networkPathStatuses;

/** The physical path out of this machine; never the tunnel itself. */
export interface NetworkPath {
  readonly status: NetworkPathStatus;
  /** Interface of the best default route, null when there is none. */
  readonly interfaceName: string | null;
  readonly interfaceIndex: number | null;
  /** MTU of that interface in bytes, null when there is none. */
  readonly mtu: number | null;
  readonly supportsIPv4: boolean;
  readonly supportsIPv6: boolean;
}

/** What a provider sees before anything is known. */
export const invalidPath: NetworkPath = {
  status: 'invalid',
  interfaceName: null,
  interfaceIndex: null,
  mtu: null,
  supportsIPv4: false,
  supportsIPv6: false,
};
