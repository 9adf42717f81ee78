import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../rig/run.ts';
import { waitUntil } from '../rig/wait.ts';
import { generateKeyPair } from '../rig/wireguard-keys.ts';
import type { Agent } from './rig/agent.ts';
import { AttackRig, startHelper } from './rig/attack-rig.ts';
import { codeOf, echoDraft } from './rig/drafts.ts';
import { makePkcs12 } from './rig/pkcs12.ts';

/** K2: secrets go in and never come out. A whole life with secrets that are known, then a search for them. */

const stack = new AsyncDisposableStack();
let rig: AttackRig;
let administrator: Agent;
let work: string;
/** Everything that any client was told. */
const answers: unknown[] = [];

/** Secrets by name, as bytes. */
const secrets = new Map<string, Buffer>();

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'sallyport-canary-'));
  stack.defer(() => rm(work, { recursive: true, force: true }));
  rig = stack.use(await AttackRig.start());
  administrator = stack.use(await rig.administrator());
  secrets.set('private key', Buffer.from(generateKeyPair().privateKey, 'base64'));
  secrets.set('preshared key', randomBytes(32));
  secrets.set('start option', Buffer.from(`canary-${randomUUID()}`));
  secrets.set('file password', Buffer.from(`canary-${randomUUID()}`));
  secrets.set('opaque secret', Buffer.from(`canary-${randomUUID()}`));
});

afterAll(() => stack.disposeAsync());

function secret(name: string): Buffer {
  const bytes = secrets.get(name);
  if (bytes === undefined) throw new Error(`There is no secret named ${name}.`);
  return bytes;
}

/** How a secret may look on its way through a program. */
function shapesOf(bytes: Buffer): ReadonlyMap<string, Buffer> {
  const base64 = bytes.toString('base64').replace(/=+$/, '');
  const hexadecimal = bytes.toString('hex');
  const percent = [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  return new Map([
    ['raw', bytes],
    ['raw, UTF-16', Buffer.from(bytes.toString('latin1'), 'utf16le')],
    ['base64', Buffer.from(base64)],
    ['base64 for URLs', Buffer.from(bytes.toString('base64url'))],
    ['base64, UTF-16', Buffer.from(base64, 'utf16le')],
    ['hexadecimal', Buffer.from(hexadecimal)],
    ['hexadecimal, capitals', Buffer.from(hexadecimal.toUpperCase())],
    ['percent', Buffer.from(percent)],
    ['percent, capitals', Buffer.from(percent.toUpperCase())],
    ['numbers', Buffer.from([...bytes].join(','))],
    ['a digest', createHash('sha256').update(bytes).digest()],
  ]);
}

/** What of the secrets is in a place. */
function foundIn(place: string, content: Buffer): string[] {
  return [...secrets].flatMap(([name, bytes]) =>
    [...shapesOf(bytes)].flatMap(([shape, pattern]) =>
      content.includes(pattern) ? [`${name}, ${shape}, in ${place}`] : [],
    ),
  );
}

async function call(method: string, params: object = {}): Promise<unknown> {
  const answer = await administrator.call(method, params);
  answers.push(answer);
  return answer;
}

async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** What any process may read of another through proc(5), and what root may. */
async function processTexts(pid: number): Promise<readonly (readonly [string, Buffer])[]> {
  const names = ['cmdline', 'environ', 'status', 'maps', 'comm', 'stat', 'limits', 'mountinfo'];
  return Promise.all(
    names.map(async (name) => [name, await readFile(`/proc/${String(pid)}/${name}`)] as const),
  );
}

const wireGuard = (privateKey: string, presharedKey: string): object => ({
  privateKey: { secretReference: privateKey },
  addresses: ['10.7.0.2/32'],
  peers: [
    {
      publicKey: generateKeyPair().publicKey,
      presharedKey: { secretReference: presharedKey },
      allowedIPs: ['198.51.100.0/24'],
      endpoint: { host: '192.0.2.1', port: 51_820 },
    },
  ],
});

describe('[K2] a secret', () => {
  test('is nowhere but in its store', { timeout: 90_000 }, async () => {
    const places: string[] = [];
    await using watcher = await rig.administrator();
    answers.push(
      await watcher.call('events.subscribe'),
      await watcher.call('log.read', { follow: true, level: 'debug' }),
    );

    // A tunnel with two secrets, and one with a third.
    const [privateKey, presharedKey, opaque] = [randomUUID(), randomUUID(), randomUUID()];
    const tunnel = {
      ...echoDraft({ retry: false }),
      secretReferences: [privateKey, presharedKey],
      protocolConfiguration: {
        providerBundleIdentifier: 'org.sallyport.helper.wireguard',
        serverAddress: '192.0.2.1',
        providerConfiguration: wireGuard(privateKey, presharedKey),
      },
    };
    const base64 = (name: string): string => secret(name).toString('base64');
    const keys = { [privateKey]: base64('private key'), [presharedKey]: base64('preshared key') };
    const save = (configuration: object, revision: number | null, given: object): Promise<unknown> =>
      call('configurations.save', { configuration, expectedRevision: revision, secrets: given });
    expect(await save(tunnel, null, keys)).toMatchObject({ result: {} });
    const other = { ...echoDraft({ retry: false }), secretReferences: [opaque] };
    expect(await save(other, null, { [opaque]: base64('opaque secret') })).toMatchObject({ result: {} });

    // Saves that are refused: stale, a secret that is not listed, a broken one, a name that is taken.
    await save(tunnel, 99, keys);
    await save({ ...echoDraft(), name: tunnel.name }, null, {});
    await save(echoDraft(), null, keys);
    await save({ ...tunnel, extra: base64('private key') }, 1, keys);
    await save(tunnel, 1, { [privateKey]: `${base64('private key')}!` });
    await save(tunnel, 1, { ...keys, [base64('opaque secret')]: 'AAAA' });
    answers.push(
      await administrator.call('configurations.save', {
        secrets: base64('opaque secret'),
        configuration: base64('private key'),
      }),
    );

    // An identity: the right password, a wrong one, a broken file.
    const pkcs12 = await makePkcs12(work, secret('file password').toString());
    secrets.set('key of the identity', pkcs12.scalar);
    const data = pkcs12.file.toString('base64');
    const password = secret('file password').toString();
    const imported = await administrator.call('keychain.importIdentity', { data, password });
    expect(codeOf(imported)).toBe('answered');
    answers.push(imported);
    await call('keychain.importIdentity', { data, password: `${password}x` });
    await call('keychain.importIdentity', { data: data.slice(0, 400), password });
    await call('keychain.importIdentity', { data: `${data}!`, password });

    // Runs, with credentials among the start options; a start that fails, messages, statistics, reasons.
    const option = secret('start option').toString();
    const options = { username: 'person', password: option, nested: { token: option } };
    for (const { id } of [tunnel, other]) {
      expect(codeOf(await administrator.call('session.start', { id, options }))).toBe('answered');
      await waitUntil('it to run', async () => (await run('ip', ['link'])).includes(': sp'));
      for (const method of ['session.statistics', 'session.lastDisconnectError', 'configurations.load'])
        await call(method, { id });
      await call('session.sendProviderMessage', { id, message: 'AAAA', timeout: 500 });
      await call('session.start', { id, options: { password: option, [option]: option } });
      for (const [name, text] of await processTexts(rig.pid))
        places.push(...foundIn(`/proc/PID/${name} of a running tunnel`, text));
      await call('session.stop', { id });
      await waitUntil('it to end', async () => !(await run('ip', ['link'])).includes(': sp'));
      await call('session.lastDisconnectError', { id });
    }
    await call('session.start', { id: randomUUID(), options });
    for (const method of ['configurations.list', 'extension.list', 'events.subscribe']) await call(method);
    await call('log.read', { limit: 2000, level: 'debug' });
    answers.push(await watcher.told(0.3));

    // And after a restart, with what was stored.
    await rig.stopHelper('SIGKILL');
    await rig.startHelper();
    await administrator.connect();
    for (const method of ['configurations.list', 'events.subscribe', 'extension.list']) await call(method);
    await call('session.lastDisconnectError', { id: tunnel.id });
    expect(codeOf(await administrator.call('session.start', { id: tunnel.id }))).toBe('answered');
    await waitUntil('it to run', async () => (await run('ip', ['link'])).includes(': sp'));
    for (const [name, text] of await processTexts(rig.pid))
      places.push(...foundIn(`/proc/PID/${name}`, text));

    const files = await filesBelow(rig.state);
    expect(files.filter((path) => path.includes('/secrets/')).length).toBeGreaterThanOrEqual(4);
    for (const path of files) places.push(...foundIn(path.slice(rig.state.length), await readFile(path)));
    for (const path of await filesBelow('/run/sallyport'))
      places.push(...foundIn(path, await readFile(path)));
    places.push(...foundIn('the log', Buffer.from(rig.log.join('\n'))));
    places.push(...foundIn('an answer or a notification', Buffer.from(JSON.stringify(answers))));
    expect(places).toEqual([]);

    for (const { id } of [tunnel, other]) {
      await administrator.call('session.stop', { id });
      expect(codeOf(await administrator.call('configurations.remove', { id }))).toBe('answered');
    }
    // The search finds what is there.
    expect(foundIn('here', Buffer.from(`x${base64('private key')}y`))).not.toEqual([]);
  });

  test('is in no core dump, and no other process of root without privileges reads it', async () => {
    const state = await mkdtemp(join(work, 'state-'));
    const place = await mkdtemp(join(work, 'core-'));
    const helper = await startHelper(state, {
      endpoint: '/run/attack/core.sock',
      before: ['env', '-C', place],
    });
    const limits = await readFile(`/proc/${String(helper.pid)}/limits`, 'utf8');
    expect(limits).toMatch(/^Max core file size\s+0\s+0\s/m);
    // Same uid, no CAP_SYS_PTRACE: only what is not dumpable is closed to it.
    const look = `
import sys
for name in ('mem', 'environ', 'maps', 'fd'):
    try:
        open('/proc/%s/%s' % (sys.argv[1], name), 'rb').read(1)
        print(name)
    except IsADirectoryError: print(name)
    except PermissionError: pass
`;
    const words = [
      '--inh-caps=-all',
      '--bounding-set=-all',
      '--',
      '/usr/bin/python3',
      '-c',
      look,
      String(helper.pid),
    ];
    expect((await run('setpriv', words)).trim()).toBe('fd');
    process.kill(helper.pid, 'SIGSEGV');
    await waitUntil('its end', () => !helper.isRunning);
    expect(await readdir(place)).toEqual([]);
  });

  test('that a helper read from its store was never text there, and is not on the main thread’s stack', async () => {
    // Text of JavaScript's cannot be wiped. Of bytes there may be remains: docs/known-issues.md says which.
    const [privateKey, presharedKey] = [randomUUID(), randomUUID()];
    const key = Buffer.from(generateKeyPair().privateKey, 'base64');
    const draft = {
      ...echoDraft({ retry: false }),
      secretReferences: [privateKey, presharedKey],
      protocolConfiguration: {
        providerBundleIdentifier: 'org.sallyport.helper.wireguard',
        serverAddress: null,
        providerConfiguration: wireGuard(privateKey, presharedKey),
      },
    };
    const given = {
      [privateKey]: key.toString('base64'),
      [presharedKey]: randomBytes(32).toString('base64'),
    };
    expect(
      codeOf(
        await administrator.call('configurations.save', {
          configuration: draft,
          expectedRevision: null,
          secrets: given,
        }),
      ),
    ).toBe('answered');
    await rig.stopHelper();
    // A helper that has never been told the key, only read it from its store.
    await rig.startHelper();
    await administrator.connect();
    expect(codeOf(await administrator.call('session.start', { id: draft.id }))).toBe('answered');
    await waitUntil('it to run', async () => (await run('ip', ['link'])).includes(': sp'));
    await administrator.call('session.stop', { id: draft.id });
    await waitUntil('it to end', async () => !(await run('ip', ['link'])).includes(': sp'));
    expect(codeOf(await administrator.call('configurations.remove', { id: draft.id }))).toBe('answered');
    const found = await memoryHolds(rig.pid, shapesOf(key));
    // What is left of its bytes is in freed memory and on threads that the library moved it through.
    expect(found.filter((place) => place !== 'raw in [heap]' && place !== 'raw in ')).toEqual([]);
  });
});

/** The shapes of a secret that are in a process's memory, as root sees it. */
async function memoryHolds(pid: number, shapes: ReadonlyMap<string, Buffer>): Promise<readonly string[]> {
  const maps = await readFile(`/proc/${String(pid)}/maps`, 'utf8');
  const found = new Set<string>();
  const memory = await open(`/proc/${String(pid)}/mem`);
  try {
    for (const line of maps.split('\n')) {
      const [, from, to, kind = ''] = /^([0-9a-f]+)-([0-9a-f]+) rw\S+ \S+ \S+ \S+ *(.*)$/.exec(line) ?? [];
      if (from === undefined || to === undefined || kind.startsWith('/dev')) continue;
      const begin = Number.parseInt(from, 16);
      const piece = Buffer.alloc(Math.min(Number.parseInt(to, 16) - begin, 256 * 1024 * 1024));
      const read = await memory.read(piece, 0, piece.length, begin).catch(() => ({ bytesRead: 0 }));
      for (const [shape, pattern] of shapes) {
        if (piece.subarray(0, read.bytesRead).includes(pattern)) found.add(`${shape} in ${kind}`);
      }
    }
  } finally {
    await memory.close();
  }
  return [...found];
}
