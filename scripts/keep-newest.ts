import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';

/** Notes that a build was used, and removes all builds of its directory but the `count` that were used last. */
export async function keepNewest(builds: string, used: string, count: number): Promise<void> {
  const now = new Date();
  await utimes(used, now, now);
  // What begins with a dot is being made by somebody.
  const names = (await readdir(builds)).filter((name) => !name.startsWith('.'));
  const ages = await Promise.all(
    names.map(async (name) => ({
      name,
      used: (await stat(join(builds, name)).catch(() => null))?.mtimeMs ?? 0,
    })),
  );
  ages.sort((one, other) => other.used - one.used);
  for (const { name } of ages.slice(count)) await rm(join(builds, name), { recursive: true, force: true });
}
