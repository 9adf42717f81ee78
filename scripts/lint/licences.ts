import * as z from 'zod';

/** Licences whose terms a permissively licensed product keeps by naming them. */
const allowed = new Set([
  '0BSD',
  'Apache-2.0',
  'Apache-2.0 WITH LLVM-exception',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'Unicode-3.0',
  'Unlicense',
  'Zlib',
]);

/**
 * Used all the same, each with its reason: gotatun's MPL-2.0 covers gotatun's own files alone, which are used
 * unchanged and published where everybody finds them.
 */
const exceptions = new Map([['gotatun', 'MPL-2.0']]);

/** Whether an SPDX expression can be kept: of alternatives one, of a conjunction every licence. */
export function isAllowed(expression: string): boolean {
  // Older crates separate alternatives by a slash.
  const words = expression.replaceAll('/', ' OR ').match(/[()]|[^\s()]+/g) ?? [];
  let position = 0;
  const next = (): string | undefined => words[position];
  const take = (word: string): boolean => {
    if (words[position] !== word) return false;
    position += 1;
    return true;
  };
  const licence = (): boolean => {
    if (take('(')) {
      const inner = either();
      return take(')') && inner;
    }
    const name = next() ?? '';
    position += 1;
    if (!take('WITH')) return allowed.has(name);
    const exception = next() ?? '';
    position += 1;
    return allowed.has(`${name} WITH ${exception}`);
  };
  const every = (): boolean => {
    let result = licence();
    while (take('AND')) result = licence() && result;
    return result;
  };
  const either = (): boolean => {
    let result = every();
    while (take('OR')) result = every() || result;
    return result;
  };
  const result = either();
  return result && position === words.length;
}

function refusal(name: string, licence: string | null | undefined): string[] {
  if (licence == null) return [`${name} names no licence`];
  return isAllowed(licence) || exceptions.get(name) === licence ? [] : [`${name} has the licence ${licence}`];
}

const lockFileSchema = z.object({
  packages: z.record(
    z.string(),
    z.object({
      license: z.string().optional(),
      resolved: z.string().optional(),
      integrity: z.string().optional(),
      dev: z.boolean().optional(),
      link: z.boolean().optional(),
    }),
  ),
});

/** What of npm's packages that are shipped may not be, by npm's lock file. */
export function refusedPackages(lockFile: unknown): string[] {
  return Object.entries(lockFileSchema.parse(lockFile).packages).flatMap(([path, facts]) => {
    const [, name] = /^node_modules\/(.*)$/.exec(path) ?? [];
    return name === undefined || facts.dev === true || facts.link === true
      ? []
      : refusal(name, facts.license);
  });
}

/** What in npm's lock file names a host, or lacks the digest without which any host could lie. */
export function lockFileFaults(lockFile: unknown): string[] {
  return Object.entries(lockFileSchema.parse(lockFile).packages).flatMap(([path, facts]) => {
    if (!path.includes('node_modules/') || facts.link === true) return [];
    return [
      ...(facts.resolved === undefined ? [] : [`${path} names where it came from: ${facts.resolved}`]),
      ...(facts.integrity === undefined ? [`${path} has no digest`] : []),
    ];
  });
}

const metadataSchema = z.object({
  packages: z.array(z.object({ name: z.string(), license: z.string().nullable() })),
});

/** What of the crates that are linked may not be, by `cargo metadata`. */
export function refusedCrates(metadata: unknown): string[] {
  return metadataSchema.parse(metadata).packages.flatMap(({ name, license }) => refusal(name, license));
}
