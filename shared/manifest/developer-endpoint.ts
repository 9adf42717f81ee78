/** The directory of a developer-mode helper's socket, mode 0700, which belongs to the uid that started it. */
export function developerDirectory(uid: number): string {
  return `/tmp/sallyport-developer-${String(uid)}`;
}

/**
 * Where a developer-mode helper listens (contract A10).
 *
 * Outside `/run`, of which such a helper has a private one that nobody else can see.
 *
 * @param uid real uid of the person who started the helper, as seen outside its user namespace
 */
export function developerEndpointPath(uid: number, endpointName: string): string {
  return `${developerDirectory(uid)}/${endpointName}.sock`;
}

/** Names a socket to use instead; read by programs that run from a source tree, ignored by packaged ones. */
export const developerEndpointVariable = 'SALLYPORT_ENDPOINT';
