import { createPackage } from '@electron/asar';
import { access, chmod, chown, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PeerNetwork } from '../rig/peer-network.ts';
import { run, succeeds } from '../rig/run.ts';
import { waitUntil } from '../rig/wait.ts';
import { startDesktop, type Desktop } from './rig/desktop.ts';
import { installApp, type InstalledApp } from './rig/installed-app.ts';
import { RootHelper } from './rig/root-helper.ts';
import { accessibilityEnvironment, accessibilitySwitch, ScreenReader } from './rig/screen-reader.ts';
import { seat } from './rig/seat.ts';
import { listeningPorts, Started } from './rig/started.ts';

/**
 * The very files that people get, of an ordinary user and without any debugger: the pointer clicks what a screen reader
 * finds, and the helper says what came of it. Then everything that would make them run something else.
 */

const stack = new AsyncDisposableStack();
let desktop: Desktop;
let installed: InstalledApp;
let network: PeerNetwork;
let reader: ScreenReader;
let app: Started | null = null;

beforeAll(async () => {
  desktop = stack.use(await startDesktop());
  installed = stack.use(await installApp('shipped'));
  network = stack.use(await PeerNetwork.start());
  stack.use(await seat(desktop.person));
  stack.use(await RootHelper.start());
  const { text } = await network.clientConf({ persistentKeepalive: 1 });
  await run(installed.cli, ['import', '-', '--name', 'home'], { input: text });
  reader = stack.use(await ScreenReader.start(desktop.person, 'sallyport'));
});
afterAll(async () => {
  await app?.[Symbol.asyncDispose]();
  await stack.disposeAsync();
});

const startApp = (args: readonly string[] = [], environment: Readonly<Record<string, string>> = {}) =>
  Started.start(desktop.person, installed.executable, [accessibilitySwitch, ...args], {
    ...accessibilityEnvironment,
    ...environment,
  });

/** What the helper itself says of the tunnel, asked by root. */
const status = () => run(installed.cli, ['status', 'home', '--json']);

/** A file that the person's programs may write: whoever got into the app leaves it there. */
const mark = () => join(desktop.person.home, 'was-here');

const isMarked = () =>
  access(mark()).then(
    () => true,
    () => false,
  );

/** A script that leaves the mark, where the person can read it. */
async function intruder(): Promise<string> {
  const path = join(desktop.person.home, 'intruder.js');
  await writeFile(path, `require('node:fs').writeFileSync(${JSON.stringify(mark())}, 'here');`, {
    mode: 0o644,
  });
  return path;
}

describe('the shipped app', () => {
  it('connects at the click of a button', async () => {
    app = await startApp();
    await reader.see('home', 30_000);
    expect(await status()).toContain('"disconnected"');
    await reader.click('Connect');
    await expect.poll(status, { timeout: 20_000 }).toContain('"connected"');
    await reader.see('Connected');
  });

  it('disconnects at the click of a button', async () => {
    await reader.click('Disconnect');
    await expect.poll(status, { timeout: 20_000 }).toContain('"disconnected"');
    await reader.see('Not connected');
  });

  it('listens on no port, and opens none at SIGUSR1', async () => {
    const before = await listeningPorts();
    expect(app?.isRunning).toBe(true);
    process.kill(app?.pid ?? 0, 'SIGUSR1');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await listeningPorts()).toEqual(before);
    expect(app?.error ?? '').not.toContain('Debugger listening');
  });

  it('takes no order from a second start', async () => {
    if (app?.isRunning !== true) {
      app = await startApp();
      await reader.see('home', 30_000);
    }
    const second = await startApp(['sallyport://connect/home', '/etc/passwd', 'connect', 'home']);
    expect(await second.code()).toBe(0);
    expect(await status()).toContain('"disconnected"');
    expect(app.isRunning).toBe(true);
    await app[Symbol.asyncDispose]();
  });
});

describe('the shipped app refuses', () => {
  it.each([
    '--inspect=9229',
    '--inspect-brk=9229',
    '-inspect',
    '--remote-debugging-port=9222',
    '--remote-debugging-pipe',
    '--js-flags=--expose-gc',
    '--renderer-cmd-prefix=/bin/true',
    '--gpu-launcher=/bin/true',
    '--utility-cmd-prefix=/bin/true',
    '--load-extension=/tmp',
    '--no-sandbox',
    '--disable-web-security',
    '--proxy-server=127.0.0.1:1',
    '--host-rules=MAP',
    '--user-data-dir=/tmp/elsewhere',
    '-- --inspect',
  ])('%s', async (line) => {
    const words = line.split(' ');
    const before = await listeningPorts();
    const seen = new Set<number>();
    const started = await Started.start(desktop.person, installed.executable, words);
    while (started.isRunning) {
      for (const port of await listeningPorts()) if (!before.includes(port)) seen.add(port);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(await started.code()).toBe(64);
    expect(started.error).toContain(`The switch ${words.join(' ').replace(/[ =].*/s, '')} is not accepted`);
    expect([...seen]).toEqual([]);
  });

  it('to be Node', async () => {
    const script = await intruder();
    const words = ['-e', `require('node:fs').writeFileSync(${JSON.stringify(mark())}, 'here')`];
    const environment = { ELECTRON_RUN_AS_NODE: '1' };
    const started = await Started.start(desktop.person, installed.executable, words, environment);
    expect(await started.code()).toBe(64);
    const inspected = await Started.start(
      desktop.person,
      installed.executable,
      ['--inspect', script],
      environment,
    );
    expect(await inspected.code()).toBe(64);
    expect(await isMarked()).toBe(false);
  });
});

it('[E5] no variable makes the shipped app run something else, or ask another helper', async () => {
  const script = await intruder();
  await using started = await startApp([script], {
    ELECTRON_RUN_AS_NODE: '1',
    NODE_OPTIONS: `--require=${script} --inspect=9229`,
    ELECTRON_ENABLE_LOGGING: '1',
    ELECTRON_FORCE_IS_PACKAGED: '0',
    ELECTRON_OVERRIDE_DIST_PATH: desktop.person.home,
    SALLYPORT_ENDPOINT: '/tmp/false.sock',
  });
  await reader.see('home', 30_000);
  expect(await listeningPorts()).not.toContain(9229);
  expect(await isMarked()).toBe(false);
  expect(started.isRunning).toBe(true);
});

describe('the installed files', () => {
  it('cannot be changed by the person who runs them', async () => {
    const folder = dirname(installed.executable);
    for (const path of ['sallyport', 'sallyport-cli', 'resources/app.asar', 'resources/app', 'new']) {
      const [program, ...words] = desktop.person.command('sh', '-c', 'echo x >> "$0"', join(folder, path));
      expect(await succeeds(program, words)).toBe(false);
    }
  });
});

describe('a copy elsewhere', () => {
  let copy: string;
  const executable = () => join(copy, 'sallyport');

  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), 'sallyport-copy-'));
    await chmod(copy, 0o755);
    await cp(dirname(installed.executable), copy, { recursive: true });
  });
  afterAll(() => rm(copy, { recursive: true, force: true }));

  it('[E3] does not run a folder beside its archive, and the helper does not take it for the app', async () => {
    const folder = join(copy, 'resources', 'app');
    await mkdir(folder);
    await writeFile(join(folder, 'package.json'), '{"main":"main.js"}');
    await cp(await intruder(), join(folder, 'main.js'));
    await using started = await Started.start(desktop.person, executable(), [accessibilitySwitch], {
      ...accessibilityEnvironment,
    });
    await reader.see('You may not use Sallyport here', 30_000);
    expect(await isMarked()).toBe(false);
    expect(started.isRunning).toBe(true);
    const told = (await reader.names()).join('\n');
    expect(told).toContain('it does not accept this user or this copy of the app');
    expect(told).not.toContain('home');
  });

  it('[E3] with another archive runs that one, and gets nothing from the helper', async () => {
    const answer = join(desktop.person.home, 'answer');
    const source = await mkdtemp(join(tmpdir(), 'sallyport-swap-'));
    await writeFile(join(source, 'package.json'), '{"name":"swapped","main":"main.js"}');
    await writeFile(
      join(source, 'main.js'),
      `const { appendFileSync, writeFileSync } = require('node:fs');
      writeFileSync(${JSON.stringify(answer)}, 'ran\\n');
      const socket = require('node:net').connect('/run/sallyport/org.sallyport.endpoint.sock');
      socket.on('data', (bytes) => appendFileSync(${JSON.stringify(answer)}, bytes));
      for (const event of ['close', 'error']) socket.on(event, () => {
        appendFileSync(${JSON.stringify(answer)}, '\\nended\\n');
        process.exit(0);
      });`,
    );
    await createPackage(source, join(copy, 'resources', 'app.asar'));
    await rm(source, { recursive: true });
    await using started = await Started.start(desktop.person, executable());
    await waitUntil(
      'the helper has answered',
      async () => (await readFile(answer, 'utf8').catch(() => '')).includes('ended'),
      20_000,
    );
    expect(started.error).not.toContain('Error');
    const said = await readFile(answer, 'utf8');
    expect(said).toMatch(/^ran\n/);
    expect(said).toContain('accessDenied');
    expect(said).not.toMatch(/"nonce"|"result"/);
  });
});

describe('the shipped command line', () => {
  const cli = (words: readonly string[], environment: Readonly<Record<string, string>> = {}) =>
    Started.start(desktop.person, installed.cli, words, environment);

  it('is accepted as what it is, and uses tunnels without a password', async () => {
    const listed = await cli(['list', '--names']);
    expect([await listed.code(), listed.out]).toEqual([0, 'home\n']);
    const connected = await cli(['connect', 'home']);
    expect([await connected.code(), connected.out]).toEqual([0, '“home” is connected.\n']);
    const disconnected = await cli(['disconnect', 'home']);
    expect(await disconnected.code()).toBe(0);
  });

  it('prints what shells and people read', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const completion = await cli(['completion', shell]);
      expect([await completion.code(), completion.out.length > 500]).toEqual([0, true]);
    }
    const help = await cli(['--help']);
    expect([await help.code(), help.error]).toEqual([0, '']);
  });

  it.each([
    '--inspect',
    '--inspect-brk=9229',
    '--require INTRUDER',
    '-r INTRUDER',
    '--import INTRUDER',
    '--eval 1',
    '-e 1',
    '--experimental-sea-config x',
    'INTRUDER',
  ])('takes %s for a mistake of its own user', async (line) => {
    const words = line.split(' ');
    const script = await intruder();
    const started = await cli(words.map((word) => (word === 'INTRUDER' ? script : word)));
    expect(await started.code()).toBe(2);
    expect(started.error).toMatch(/^sallyport: /);
    expect(await isMarked()).toBe(false);
  });

  it('[E5] heeds no variable of Node, and no endpoint but root’s', async () => {
    const script = await intruder();
    const openssl = join(desktop.person.home, 'openssl.cnf');
    // With this, Node would load the library, or end because it cannot.
    const module =
      'nodejs_conf = n\nopenssl_conf = n\n[n]\nproviders = p\n[p]\nx = y\n[y]\nmodule = /none.so\nactivate = 1\n';
    await writeFile(openssl, module, { mode: 0o644 });
    const started = await cli(['list', '--names'], {
      NODE_OPTIONS: `--require=${script} --inspect=9229`,
      NODE_PATH: desktop.person.home,
      OPENSSL_CONF: openssl,
      NODE_EXTRA_CA_CERTS: script,
      ELECTRON_RUN_AS_NODE: '1',
      SALLYPORT_ENDPOINT: '/tmp/false.sock',
    });
    expect([await started.code(), started.out]).toEqual([0, 'home\n']);
    expect(await isMarked()).toBe(false);
  });

  it('opens no port at SIGUSR1', async () => {
    const before = await listeningPorts();
    await using watching = await cli(['status', '--watch']);
    await waitUntil('it is up', () => watching.out.includes('home'));
    process.kill(watching.pid, 'SIGUSR1');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await listeningPorts()).toEqual(before);
    expect(watching.error).not.toContain('Debugger');
  });

  it('[E3] copied elsewhere is nobody to the helper', async () => {
    const copy = join(desktop.person.home, 'sallyport-cli');
    await cp(installed.cli, copy);
    await chown(copy, desktop.person.uid, desktop.person.uid);
    const started = await Started.start(desktop.person, copy, ['list']);
    expect(await started.code()).toBe(3);
    expect(started.out).toBe('');
  });
});
