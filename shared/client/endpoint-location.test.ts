import { chmod, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sallyportManifest as manifest } from '../manifest/sallyport-manifest.ts';
import { locateEndpoint } from './endpoint-location.ts';
import {
  judgeDeveloperEndpoint,
  judgeSystemEndpoint,
  overflowUidOf,
  pathComponents,
  type PathFacts,
} from './endpoint-trust.ts';

const systemPath = '/run/sallyport/org.sallyport.endpoint.sock';
const developerPath = '/tmp/sallyport-developer-1000/org.sallyport.endpoint.sock';

const rootDirectory: PathFacts = { kind: 'directory', uid: 0, mode: 0o755 };
const safeSystem: Readonly<Record<string, PathFacts>> = {
  '/': rootDirectory,
  '/run': rootDirectory,
  '/run/sallyport': rootDirectory,
  [systemPath]: { kind: 'socket', uid: 0, mode: 0o666 },
};
const safeDeveloper: Readonly<Record<string, PathFacts>> = {
  '/': rootDirectory,
  '/tmp': { kind: 'directory', uid: 0, mode: 0o1777 },
  '/tmp/sallyport-developer-1000': { kind: 'directory', uid: 1000, mode: 0o700 },
  [developerPath]: { kind: 'socket', uid: 1000, mode: 0o755 },
};

function facts(
  table: Readonly<Record<string, PathFacts>>,
  changes: Readonly<Record<string, PathFacts>> = {},
) {
  const all = { ...table, ...changes };
  return (component: string) => all[component] ?? null;
}

it('walks a path from the root on', () => {
  expect(pathComponents('/run//a/b.sock')).toEqual(['/', '/run', '/run/a', '/run/a/b.sock']);
});

describe('[E5] the system endpoint', () => {
  it('is trusted when every component belongs to root and only root may write', () => {
    expect(judgeSystemEndpoint(systemPath, facts(safeSystem))).toEqual({ kind: 'trusted' });
  });

  it.each<[string, string, PathFacts]>([
    ['belongs to uid 1000', systemPath, { kind: 'socket', uid: 1000, mode: 0o666 }],
    ['belongs to uid 1000', '/run/sallyport', { kind: 'directory', uid: 1000, mode: 0o755 }],
    ['written by others', '/run/sallyport', { kind: 'directory', uid: 0, mode: 0o775 }],
    ['written by others', '/run', { kind: 'directory', uid: 0, mode: 0o757 }],
    ['written by others', '/run', { kind: 'directory', uid: 0, mode: 0o1777 }],
    ['symbolic link', '/run', { kind: 'symbolicLink', uid: 0, mode: 0o777 }],
    ['symbolic link', systemPath, { kind: 'symbolicLink', uid: 0, mode: 0o777 }],
    ['not a socket', systemPath, { kind: 'other', uid: 0, mode: 0o644 }],
    ['not a directory', '/run/sallyport', { kind: 'other', uid: 0, mode: 0o644 }],
  ])('is refused because something %s: %s', (reason, component, bad) => {
    const verdict = judgeSystemEndpoint(systemPath, facts(safeSystem, { [component]: bad }));
    expect(verdict).toMatchObject({ kind: 'refused', component, reason: expect.stringContaining(reason) });
  });

  it('is never trusted when anyone but root owns or may write a directory', () => {
    const anyFacts = fc.record({
      kind: fc.constantFrom(
        'directory' as const,
        'socket' as const,
        'symbolicLink' as const,
        'other' as const,
      ),
      uid: fc.constantFrom(0, 1, 1000),
      mode: fc.integer({ min: 0, max: 0o7777 }),
    });
    fc.assert(
      fc.property(fc.constantFrom(...pathComponents(systemPath)), anyFacts, (component, changed) => {
        const { kind } = judgeSystemEndpoint(systemPath, facts(safeSystem, { [component]: changed }));
        const fits = changed.kind === (component === systemPath ? 'socket' : 'directory');
        const safe = changed.uid === 0 && (component === systemPath || (changed.mode & 0o022) === 0);
        expect(kind).toBe(fits && safe ? 'trusted' : 'refused');
      }),
    );
  });
});

describe('[E5] a developer endpoint', () => {
  it('is trusted in a directory of one’s own', () => {
    expect(judgeDeveloperEndpoint(developerPath, 1000, facts(safeDeveloper))).toEqual({ kind: 'trusted' });
  });

  it.each<[string, string, PathFacts]>([
    ['another uid made it', developerPath, { kind: 'socket', uid: 1001, mode: 0o755 }],
    [
      'another uid owns its directory',
      '/tmp/sallyport-developer-1000',
      { kind: 'directory', uid: 1001, mode: 0o700 },
    ],
    [
      'others may write to its directory',
      '/tmp/sallyport-developer-1000',
      { kind: 'directory', uid: 1000, mode: 0o777 },
    ],
    ['/tmp is not sticky', '/tmp', { kind: 'directory', uid: 0, mode: 0o777 }],
    [
      'its directory is a link',
      '/tmp/sallyport-developer-1000',
      { kind: 'symbolicLink', uid: 1000, mode: 0o777 },
    ],
  ])('is refused when %s', (_title, component, bad) => {
    const verdict = judgeDeveloperEndpoint(developerPath, 1000, facts(safeDeveloper, { [component]: bad }));
    expect(verdict).toMatchObject({ kind: 'refused', component });
  });
});

describe('[A10] a developer endpoint seen from inside a user namespace', () => {
  const nobody = 65534;
  const inside = facts(safeDeveloper, {
    '/': { kind: 'directory', uid: nobody, mode: 0o755 },
    '/tmp': { kind: 'directory', uid: nobody, mode: 0o1777 },
  });

  it('is trusted although root is not among its uids', () => {
    expect(judgeDeveloperEndpoint(developerPath, 1000, inside, nobody)).toEqual({ kind: 'trusted' });
    expect(judgeDeveloperEndpoint(developerPath, 1000, inside)).toMatchObject({
      kind: 'refused',
      component: '/',
    });
  });

  it.each(['/tmp/sallyport-developer-1000', developerPath])(
    'is refused when %s is somebody else’s',
    (component) => {
      const factsOf = (each: string) => {
        const found = inside(each);
        return each === component && found !== null ? { ...found, uid: nobody } : found;
      };
      expect(judgeDeveloperEndpoint(developerPath, 1000, factsOf, nobody)).toMatchObject({ component });
    },
  );

  it('knows such a namespace by its map of uids', () => {
    expect(overflowUidOf('         0          0 4294967295\n', nobody)).toBeNull();
    expect(overflowUidOf('         0       1000          1\n', nobody)).toBe(nobody);
  });
});

describe('[E5, A10] the choice', () => {
  const both = facts({ ...safeSystem, ...safeDeveloper });
  const base = { manifest, uid: 1000, environment: {} };

  it('is the system endpoint for a packaged program, whatever else there is', () => {
    const environment = { SALLYPORT_ENDPOINT: developerPath };
    expect(locateEndpoint({ ...base, packaged: true, environment, factsOf: both })).toEqual({
      path: systemPath,
      kind: 'system',
    });
  });

  it('is the developer endpoint in a source tree, if there is one', () => {
    expect(locateEndpoint({ ...base, packaged: false, factsOf: both }).path).toBe(developerPath);
    expect(locateEndpoint({ ...base, packaged: false, factsOf: facts(safeSystem) }).path).toBe(systemPath);
  });

  it('never falls back from a developer endpoint that someone else made', () => {
    const factsOf = facts(
      { ...safeSystem, ...safeDeveloper },
      { [developerPath]: { kind: 'socket', uid: 1001, mode: 0o777 } },
    );
    expect(() => locateEndpoint({ ...base, packaged: false, factsOf })).toThrow(/belongs to uid 1001/);
  });

  it('names the remedy when there is none', () => {
    expect(() => locateEndpoint({ ...base, packaged: true, factsOf: () => null })).toThrow(/activate it/);
    expect(() => locateEndpoint({ ...base, packaged: false, factsOf: () => null })).toThrow(/npm start/);
  });
});

describe('on a real file system', () => {
  let directory: string;
  let server: Server;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sallyport-location-'));
    await mkdir(join(directory, 'real'));
    await symlink(join(directory, 'real'), join(directory, 'link'));
    server = createServer();
    await new Promise<void>((resolve) => server.listen(join(directory, 'real', 'e.sock'), resolve));
  });
  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
    await rm(directory, { recursive: true });
  });

  function locate(...names: string[]) {
    const environment = { SALLYPORT_ENDPOINT: join(directory, ...names) };
    return locateEndpoint({ manifest, packaged: false, environment });
  }

  it('takes SALLYPORT_ENDPOINT', () => {
    expect(locate('real', 'e.sock')).toEqual({ path: join(directory, 'real', 'e.sock'), kind: 'developer' });
  });

  it('refuses a link, a directory that others may write to, and what is no socket', async () => {
    expect(() => locate('link', 'e.sock')).toThrow(/symbolic link/);
    expect(() => locate('real')).toThrow(/not a socket/);
    expect(() => locate('real', 'absent.sock')).toThrow(/npm start/);
    await chmod(join(directory, 'real'), 0o777);
    expect(() => locate('real', 'e.sock')).toThrow(/written by others/);
  });
});
