import type { z } from 'zod';

/** Places where a newer helper may have added fields are found one level at a time; no schema is deeper. */
const maximumPasses = 16;

/**
 * Parses what the helper sent, which may be newer and say more than this side knows (contract E9).
 *
 * Fields that the schema does not know are left out, at any depth; everything else must fit.
 */
export function tolerantParse<T>(schema: z.ZodType<T>, value: unknown): z.ZodSafeParseResult<T> {
  let parsed = schema.safeParse(value);
  if (parsed.success) return parsed;
  const copy: unknown = structuredClone(value);
  for (let pass = 0; pass < maximumPasses; pass += 1) {
    if (!parsed.error.issues.every((issue) => removeUnknown(copy, issue))) return parsed;
    parsed = schema.safeParse(copy);
    if (parsed.success) return parsed;
  }
  return parsed;
}

/** What of an issue counts here; that of an alternative within a union has the same shape. */
interface Issue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
}

/** @returns whether the issue was nothing but unknown fields, which are now gone */
function removeUnknown(root: unknown, issue: Issue): boolean {
  if (issue.code === 'unrecognized_keys' && 'keys' in issue) {
    const owner = memberPath(root, issue.path);
    if (typeof owner !== 'object' || owner === null || !Array.isArray(issue.keys)) return false;
    for (const key of issue.keys) Reflect.deleteProperty(owner, String(key));
    return true;
  }
  if (issue.code !== 'invalid_union' || !('errors' in issue) || !Array.isArray(issue.errors)) return false;
  // One alternative that would fit without its unknown fields is enough.
  const inner = memberPath(root, issue.path);
  return issue.errors.some(
    (alternative: readonly Issue[]) =>
      alternative.length > 0 &&
      alternative.every((one) => isUnknownOnly(one)) &&
      alternative.every((one) => removeUnknown(inner, one)),
  );
}

function isUnknownOnly(issue: Issue): boolean {
  return issue.code === 'unrecognized_keys' || issue.code === 'invalid_union';
}

function memberPath(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce(memberOf, root);
}

function memberOf(value: unknown, key: PropertyKey): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}
