import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { FileSteps } from '../files/file-steps.ts';
import { filler, provider } from '../testing/keychain-victim.ts';
import { MemorySealer } from '../testing/memory-sealer.ts';
import { Stopped, StoppingFiles } from '../testing/stopping-files.ts';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';
import type { KeySealer } from './key-sealer.ts';
import { Keychain } from './keychain.ts';

const directory = useTemporaryDirectory();
const reference = randomUUID();
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function open(path: string, files?: FileSteps, sealer: KeySealer | null = null): Promise<Keychain> {
  return Keychain.open(path, { log: () => undefined, sealer, ...(files === undefined ? {} : { files }) });
}

/** What is stored: the password and the secret, each or null. */
async function stored(keychain: Keychain): Promise<{ password: string | null; secret: string | null }> {
  const password = await keychain.items.of(provider).getPassword('service', 'account');
  const isThere = (await keychain.secrets.list()).includes(reference);
  const secret = isThere ? Buffer.from(await keychain.secrets.read(reference)).toString() : null;
  return { password, secret };
}

interface Change {
  readonly prepare?: (keychain: Keychain) => Promise<void>;
  readonly make: (keychain: Keychain) => Promise<unknown>;
  readonly before: Awaited<ReturnType<typeof stored>>;
  readonly after: Awaited<ReturnType<typeof stored>>;
}

const setOld = (keychain: Keychain): Promise<void> =>
  keychain.items.of(provider).setPassword('service', 'account', 'old');

const changes: Readonly<Record<string, Change>> = {
  'adding a password': {
    make: setOld,
    before: { password: null, secret: null },
    after: { password: 'old', secret: null },
  },
  'replacing a password': {
    prepare: setOld,
    make: (keychain) => keychain.items.of(provider).setPassword('service', 'account', 'new'),
    before: { password: 'old', secret: null },
    after: { password: 'new', secret: null },
  },
  'deleting a password': {
    prepare: setOld,
    make: (keychain) => keychain.items.of(provider).deletePassword('service', 'account'),
    before: { password: 'old', secret: null },
    after: { password: null, secret: null },
  },
  'storing a secret': {
    make: (keychain) => keychain.secrets.put(reference, bytes('secret')),
    before: { password: null, secret: null },
    after: { password: null, secret: 'secret' },
  },
  'removing a secret': {
    prepare: (keychain) => keychain.secrets.put(reference, bytes('secret')),
    make: (keychain) => keychain.secrets.remove(reference),
    before: { password: null, secret: 'secret' },
    after: { password: null, secret: null },
  },
};

describe('a helper that dies between any two steps', () => {
  it.each(Object.keys(changes))('[K5] in %s leaves the old or the new', async (name) => {
    const change = changes[name];
    if (change === undefined) throw new Error(name);
    const seen: unknown[] = [];
    let isComplete = false;
    for (let last = 0; !isComplete; last += 1) {
      const path = join(directory.path, String(last));
      const first = await open(path);
      await change.prepare?.(first);
      const files = new StoppingFiles(last);
      const dying = await open(path, files);
      await change.make(dying).catch((error: unknown) => {
        if (!(error instanceof Stopped)) throw error;
      });
      isComplete = !files.isStopped;
      const keychain = await open(path);
      seen.push(await stored(keychain));
      expect(keychain.protection).toBe('keyFile');
      // Whatever was left behind does not stand in the way.
      await change.prepare?.(keychain).catch(() => undefined);
    }
    expect(seen.length).toBeGreaterThan(2);
    expect(seen[0]).toEqual(change.before);
    expect(seen.at(-1)).toEqual(change.after);
    const turn = seen.findIndex((one) => JSON.stringify(one) === JSON.stringify(change.after));
    for (const [index, one] of seen.entries())
      expect(one).toEqual(index < turn ? change.before : change.after);
  });

  it.each([
    ['a root-only file', null],
    ['a seal', new MemorySealer()],
  ] as const)('[K5] in making its key, kept by %s, can be started again', async (_name, sealer) => {
    let isComplete = false;
    for (let last = 0; !isComplete; last += 1) {
      const path = join(directory.path, String(last));
      await mkdir(path, { mode: 0o700 });
      const files = new StoppingFiles(last);
      await open(path, files, sealer).catch((error: unknown) => {
        if (!(error instanceof Stopped)) throw error;
      });
      isComplete = !files.isStopped;
      const keychain = await open(path, undefined, sealer);
      await keychain.secrets.put(reference, bytes('secret'));
      const again = await open(path, undefined, sealer);
      expect(await stored(again)).toEqual({ password: null, secret: 'secret' });
    }
  });

  it('[K5] in sealing the key of a store that had it in a file keeps the secrets readable', async () => {
    let isComplete = false;
    for (let last = 0; !isComplete; last += 1) {
      const path = join(directory.path, String(last));
      await (await open(path)).secrets.put(reference, bytes('secret'));
      const sealer = new MemorySealer();
      const files = new StoppingFiles(last);
      const dying = await open(path, files, sealer);
      expect(Buffer.from(await dying.secrets.read(reference)).toString()).toBe('secret');
      isComplete = !files.isStopped;
      const keychain = await open(path, undefined, sealer);
      expect(keychain.protection).toBe('hostKey');
      expect(await stored(keychain)).toEqual({ password: null, secret: 'secret' });
    }
  });
});

describe('a power loss', () => {
  it('[K5] finds bytes synced before they get their name, and the name synced before the change is told', async () => {
    await setOld(await open(directory.path));
    const files = new StoppingFiles();
    const keychain = await open(directory.path, files);
    await keychain.items.of(provider).setPassword('service', 'account', 'new');
    expect(files.steps).toEqual([
      `open ${provider} r`,
      'open TEMPORARY wx',
      'write TEMPORARY',
      'sync TEMPORARY',
      'rename TEMPORARY FILE',
      `sync ${provider}`,
    ]);
    files.steps.length = 0;
    await keychain.items.of(provider).deletePassword('service', 'account');
    expect(files.steps).toEqual(['remove FILE', `open ${provider} r`, `sync ${provider}`]);
  });

  it('[K5] finds the directories of the first password', async () => {
    const files = new StoppingFiles();
    await setOld(await open(join(directory.path, 'secrets'), files));
    const { steps } = files;
    const above = basename(directory.path);
    expect(steps.indexOf(`sync ${above}`)).toBe(steps.findIndex((step) => step.startsWith('sync')));
    expect(steps.indexOf('sync providers')).toBeGreaterThan(0);
    expect(steps.indexOf('sync secrets', steps.indexOf('sync providers'))).toBeLessThan(
      steps.lastIndexOf('open TEMPORARY wx'),
    );
    expect(steps.filter((step) => step === 'sync secrets').length).toBe(2);
  });

  it('[K5] finds the key stored before the first secret of it', async () => {
    const files = new StoppingFiles();
    const path = join(directory.path, 'secrets');
    const keychain = await open(path, files);
    await keychain.secrets.put(reference, bytes('secret'));
    expect(files.steps.indexOf('rename TEMPORARY master-key')).toBeGreaterThan(0);
    expect(files.steps.indexOf('sync secrets')).toBeGreaterThan(
      files.steps.indexOf('rename TEMPORARY master-key'),
    );
    expect(files.steps.indexOf('rename TEMPORARY FILE')).toBeGreaterThan(files.steps.indexOf('sync secrets'));
  });
});

const victim = new URL('../testing/keychain-victim.ts', import.meta.url);

/** Starts victims in a third of the time: their modules are compiled once for all of them. */
async function compiled(): Promise<NodeJS.ProcessEnv> {
  const env = { ...process.env, NODE_COMPILE_CACHE: join(directory.path, 'compiled') };
  // Imported, it does nothing and ends by itself, which writes the cache; those that are killed write none.
  await promisify(execFile)(process.execPath, ['-e', `import(${JSON.stringify(victim.href)})`], { env });
  return env;
}

/**
 * Lets a process change the keychain, and kills it.
 *
 * @param when from the process's start, or from the first change, in milliseconds
 * @returns the number of the last password that it said was stored
 */
async function killOne(
  path: string,
  env: NodeJS.ProcessEnv,
  when: { fromStart: number } | { fromChange: number },
): Promise<number> {
  const child = spawn(process.execPath, [fileURLToPath(victim), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  });
  let told = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    told += piece;
  });
  const ended = once(child, 'close');
  if ('fromStart' in when) await sleep(when.fromStart);
  else {
    await Promise.race([once(child.stdout, 'data'), ended]);
    await sleep(when.fromChange);
  }
  child.kill('SIGKILL');
  await ended;
  expect(child.signalCode).toBe('SIGKILL');
  return Number(told.trimEnd().split('\n').at(-1) ?? 0);
}

/** Opens what the killed process left: everything must read whole, the password the last one told or the next. */
async function inspect(path: string, least: number): Promise<number> {
  const keychain = await open(path);
  expect(keychain.protection).toBe('keyFile');
  const password = await keychain.items.of(provider).getPassword('service', 'account');
  for (const secret of await keychain.secrets.list()) {
    expect(Buffer.from(await keychain.secrets.read(secret)).toString() === `${secret}${filler}`).toBe(true);
  }
  if (password === null) {
    expect(least).toBe(0);
    return 0;
  }
  const [number = '', rest] = password.split(':');
  expect(rest === filler).toBe(true);
  expect([least, least + 1]).toContain(Number(number));
  return Number(number);
}

// The steps above are all that a change is made of; these show that a real process is stopped between them only.
describe('a helper that is killed', () => {
  it(
    '[K5] at any of 32 instants leaves the old or the new password and whole secrets',
    { timeout: 60_000 },
    async () => {
      const env = await compiled();
      const reached: number[] = [];
      // Spread evenly, so that no part of a change is left out by chance.
      const instants = Array.from({ length: 32 }, (_, index) => (index * 40) / 32);
      const worker = async (name: string): Promise<void> => {
        for (let next = instants.pop(); next !== undefined; next = instants.pop()) {
          const told = await killOne(join(directory.path, name), env, { fromChange: next });
          expect(told).toBeGreaterThan(0);
          reached.push(await inspect(join(directory.path, name), told));
        }
      };
      await Promise.all(['one', 'two'].map(worker));
      expect(reached).toHaveLength(32);
      expect(new Set(reached).size).toBeGreaterThan(1);
    },
  );

  it(
    '[K5] at any of 16 instants of its first start leaves a store that opens',
    { timeout: 60_000 },
    async () => {
      const env = await compiled();
      const begin = performance.now();
      await killOne(join(directory.path, 'measured'), env, { fromChange: 0 });
      const started = performance.now() - begin;
      const shares = Array.from({ length: 16 }, (_, index) => 0.5 + (index * 0.8) / 16);
      const worker = async (): Promise<void> => {
        for (let share = shares.pop(); share !== undefined; share = shares.pop()) {
          const path = join(directory.path, String(share));
          await inspect(path, await killOne(path, env, { fromStart: started * share }));
        }
      };
      await Promise.all([worker(), worker()]);
    },
  );
});
