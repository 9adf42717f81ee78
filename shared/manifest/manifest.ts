import * as z from 'zod';
import { bundleIdentifierSchema } from '../protocol/configuration.ts';
import { SystemExtensionError } from '../protocol/errors.ts';
import { providerTypeSchema } from '../protocol/extension.ts';

/** `sun_path` holds 108 bytes with its final NUL, unix(7). */
export const maximumSocketPathBytes = 107;

const dottedName = z.string().regex(/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/);

/**
 * The extension's manifest: what a Mac keeps in the extension's Info.plist and entitlements.
 *
 * `endpointName` must be the app group, a dot and a name of its own (contract E1), as `NEMachServiceName` must.
 */
export const manifestSchema = z
  .strictObject({
    identifier: bundleIdentifierSchema,
    /** `CFBundleShortVersionString`, for people. */
    version: z.string().regex(/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/),
    /** `CFBundleVersion`, grows with each build. */
    build: z.string().regex(/^\d+(\.\d+)*$/),
    name: z.string().min(1).max(60),
    usageDescription: z.string().min(1).max(300),
    appGroup: dottedName.max(60),
    /** Its length is bounded by that of the socket's path. */
    endpointName: dottedName,
    /** Export of a provider module by type; keys as in `NEProviderClasses`. */
    providerClasses: z.partialRecord(
      providerTypeSchema,
      z.array(
        z.strictObject({
          /** The provider's own bundle identifier; configurations name it. */
          identifier: bundleIdentifierSchema,
          /** Module, relative to the manifest's folder, starting with `./`. */
          module: z.string().regex(/^\.\/[A-Za-z0-9_./-]+$/),
          /** Name of the class among the module's exports. */
          export: z.string().regex(/^[A-Za-z_$][\w$]*$/),
        }),
      ),
    ),
    /**
     * Who may act as the container app, like a code requirement: executables that belong to root and that no one
     * else can write. Empty accepts any executable.
     */
    clientRequirement: z.strictObject({
      executables: z.array(
        z.strictObject({
          path: z.string().regex(/^\/[^\0]*$/),
          /** Digest of the file in hexadecimal; activation fills it in, null accepts any content. */
          sha256: z
            .string()
            .regex(/^[0-9a-f]{64}$/)
            .nullable()
            .default(null),
        }),
      ),
    }),
    /** How long a provider has for a start and a stop, in milliseconds (contract L2). */
    deadlines: z
      .strictObject({
        start: z.int().positive().max(600_000).default(60_000),
        stop: z.int().positive().max(600_000).default(20_000),
        networkSettings: z.int().positive().max(60_000).default(10_000),
      })
      .default({ start: 60_000, stop: 20_000, networkSettings: 10_000 }),
  })
  .superRefine((manifest, context) => {
    if (!manifest.endpointName.startsWith(`${manifest.appGroup}.`)) {
      context.addIssue({
        code: 'custom',
        path: ['endpointName'],
        message: `must start with the app group "${manifest.appGroup}." so that no other vendor's app can claim it`,
      });
    }
    const path = endpointPath(manifest);
    if (new TextEncoder().encode(path).byteLength > maximumSocketPathBytes) {
      context.addIssue({
        code: 'custom',
        path: ['endpointName'],
        message: `makes the socket's path ${path} longer than ${String(maximumSocketPathBytes)} bytes; shorten it`,
      });
    }
  });
export type ExtensionManifest = z.infer<typeof manifestSchema>;

/**
 * Takes a manifest from a file or from a build.
 *
 * @throws {SystemExtensionError} `validationFailed`, whose message is one sentence that names the field
 */
export function parseManifest(value: unknown): ExtensionManifest {
  const parsed = manifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue === undefined || issue.path.length === 0 ? 'it' : issue.path.map(String).join('.');
  throw new SystemExtensionError(
    'validationFailed',
    `The extension's manifest cannot be used: ${field} ${issue?.message ?? 'is invalid'}.`,
  );
}

/** Where the endpoint's socket lies; the directory belongs to root and only root writes to it. */
export function endpointPath(manifest: Pick<ExtensionManifest, 'endpointName'>): string {
  return `/run/sallyport/${manifest.endpointName}.sock`;
}

/** The helper's container directory (contract E11). */
export function containerDirectory(manifest: Pick<ExtensionManifest, 'appGroup' | 'identifier'>): string {
  return `/var/lib/${manifest.appGroup}/${manifest.identifier}`;
}
