import { FuseV1Options, FuseVersion, flipFuses, getCurrentFuseWire } from '@electron/fuses';

/**
 * Switches inside Electron's executable (electronjs.org/docs/latest/tutorial/fuses), by name and whether they are on.
 *
 * `EnableEmbeddedAsarIntegrityValidation` stays as it comes: on Linux Electron has no code for it, and a fuse that says
 * "on" would promise what nobody keeps.
 */
export const shippedFuses = {
  // The executable is the app and nothing else: no `ELECTRON_RUN_AS_NODE`.
  RunAsNode: false,
  EnableNodeOptionsEnvironmentVariable: false,
  EnableNodeCliInspectArguments: false,
  EnableCookieEncryption: true,
  // A folder `resources/app` beside the archive is not looked at.
  OnlyLoadAppFromAsar: true,
  // `file:` addresses are like those of any other scheme; the app has its own.
  GrantFileProtocolExtraPrivileges: false,
} as const;
export type FuseName = keyof typeof shippedFuses;

/** Where a fuse of this executable is; null when its Electron has not got it. */
async function lengthOfWire(executable: string): Promise<number> {
  return Object.keys(await getCurrentFuseWire(executable)).filter((key) => /^\d+$/.test(key)).length;
}

/** Sets those of the fuses that the executable's version of Electron has, and returns their names. */
export async function setFuses(
  executable: string,
  fuses: Readonly<Partial<Record<FuseName, boolean>>>,
): Promise<readonly string[]> {
  const length = await lengthOfWire(executable);
  const known = Object.entries(fuses)
    .map(([name, on]) => ({ name, on, index: indexOf(name) }))
    .filter(({ index }) => index < length);
  await flipFuses(executable, {
    version: FuseVersion.V1,
    ...Object.fromEntries(known.map(({ index, on }) => [index, on])),
  });
  return known.map(({ name }) => name);
}

/** Reads an executable's fuses: on, off, or null for one that its Electron has not got. */
export async function readFuses(executable: string): Promise<Readonly<Record<FuseName, boolean | null>>> {
  const wire: object = await getCurrentFuseWire(executable);
  const read = (name: FuseName): boolean | null => {
    const state: unknown = Reflect.get(wire, indexOf(name));
    return typeof state === 'number' ? state === '1'.charCodeAt(0) : null;
  };
  return {
    RunAsNode: read('RunAsNode'),
    EnableNodeOptionsEnvironmentVariable: read('EnableNodeOptionsEnvironmentVariable'),
    EnableNodeCliInspectArguments: read('EnableNodeCliInspectArguments'),
    EnableCookieEncryption: read('EnableCookieEncryption'),
    OnlyLoadAppFromAsar: read('OnlyLoadAppFromAsar'),
    GrantFileProtocolExtraPrivileges: read('GrantFileProtocolExtraPrivileges'),
  };
}

function indexOf(name: string): number {
  const index: unknown = Reflect.get(FuseV1Options, name);
  if (typeof index !== 'number') throw new Error(`@electron/fuses knows no fuse ${name}.`);
  return index;
}
