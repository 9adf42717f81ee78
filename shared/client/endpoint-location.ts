import { lstatSync, readFileSync, type Stats } from 'node:fs';
import { resolve } from 'node:path';
import { developerEndpointPath, developerEndpointVariable } from '../manifest/developer-endpoint.ts';
import { endpointPath, type ExtensionManifest } from '../manifest/manifest.ts';
import { EndpointError } from '../protocol/errors.ts';
import {
  judgeDeveloperEndpoint,
  judgeSystemEndpoint,
  overflowUidOf,
  type FactsOf,
  type PathFacts,
  type TrustVerdict,
} from './endpoint-trust.ts';

/** A socket that was found and whose makers can be trusted. */
export interface EndpointLocation {
  readonly path: string;
  /** `system`: root's own; `developer`: a helper that the person runs from a source tree. */
  readonly kind: 'system' | 'developer';
}

export interface LocateOptions {
  readonly manifest: Pick<ExtensionManifest, 'endpointName' | 'name'>;
  /** Whether this program was built and installed. A packaged program accepts root's endpoint alone. */
  readonly packaged: boolean;
  /** Environment to read `SALLYPORT_ENDPOINT` from; by default the process's own. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Uid of the person; by default the process's own. */
  readonly uid?: number;
  /** In a user namespace, the uid that stands for those it lacks; by default found out. */
  readonly overflowUid?: number | null;
  /** Looks at one path component; by default `lstat`. */
  readonly factsOf?: FactsOf;
}

/**
 * Finds the endpoint and verifies who can have made it (contract E5), without connecting.
 *
 * A packaged program looks at the system's endpoint alone. One from a source tree takes `SALLYPORT_ENDPOINT` if it is
 * set, else the developer endpoint of its own uid if there is one, else the system's.
 *
 * @throws {EndpointError} `notReachable` when there is none, `serverNotTrusted` when someone else can have made it
 */
export function locateEndpoint(options: LocateOptions): EndpointLocation {
  const { manifest, packaged } = options;
  const factsOf = options.factsOf ?? lstatFacts;
  const system = endpointPath(manifest);
  if (!packaged) {
    const uid = options.uid ?? ownUid();
    const overflowUid = options.overflowUid === undefined ? ownOverflowUid() : options.overflowUid;
    const environment = options.environment ?? process.env;
    const chosen = environment[developerEndpointVariable];
    if (chosen !== undefined && chosen !== '') {
      const path = resolve(chosen);
      return accept(path, 'developer', judgeDeveloperEndpoint(path, uid, factsOf, overflowUid), options);
    }
    const developer = developerEndpointPath(uid, manifest.endpointName);
    const verdict = judgeDeveloperEndpoint(developer, uid, factsOf, overflowUid);
    if (verdict.kind !== 'absent') return accept(developer, 'developer', verdict, options);
  }
  return accept(system, 'system', judgeSystemEndpoint(system, factsOf), options);
}

/** What to do when nothing answers. */
export function notReachableRemedy({
  manifest,
  packaged,
}: Pick<LocateOptions, 'manifest' | 'packaged'>): string {
  return packaged
    ? `The ${manifest.name} extension is not active. Open ${manifest.name} and activate it.`
    : `No ${manifest.name} helper is running. Start one from the source tree with: npm start`;
}

function accept(
  path: string,
  kind: EndpointLocation['kind'],
  verdict: TrustVerdict,
  options: LocateOptions,
): EndpointLocation {
  switch (verdict.kind) {
    case 'trusted':
      return { path, kind };
    case 'absent':
      throw new EndpointError('notReachable', notReachableRemedy(options), {
        details: { path, absent: verdict.component },
      });
    case 'refused':
      throw new EndpointError(
        'serverNotTrusted',
        `The endpoint ${path} is not used: ${verdict.component} ${verdict.reason}, so someone else may answer there. ` +
          `An administrator must correct it.`,
        { details: { path, component: verdict.component } },
      );
  }
}

function ownUid(): number {
  if (process.getuid === undefined) throw new Error('This platform has no uids; the endpoint needs them.');
  return process.getuid();
}

function ownOverflowUid(): number | null {
  try {
    const uid = Number(readFileSync('/proc/sys/fs/overflowuid', 'utf8'));
    return overflowUidOf(readFileSync('/proc/self/uid_map', 'utf8'), uid);
  } catch {
    return null;
  }
}

/** @throws {EndpointError} `notReachable`: a directory on the way may not be looked into */
function lstatFacts(component: string): PathFacts | null {
  let stats: Stats;
  try {
    stats = lstatSync(component);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new EndpointError(
      'notReachable',
      `The endpoint cannot be looked up: ${component} may not be read. Run this program as the person who started the helper.`,
      { cause: error },
    );
  }
  return { kind: kindOf(stats), uid: stats.uid, mode: stats.mode & 0o7777 };
}

function kindOf(stats: Stats): PathFacts['kind'] {
  if (stats.isDirectory()) return 'directory';
  if (stats.isSocket()) return 'socket';
  return stats.isSymbolicLink() ? 'symbolicLink' : 'other';
}
