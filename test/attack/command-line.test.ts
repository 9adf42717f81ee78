import {
  chmod,
  chown,
  copyFile,
  link,
  mkdir,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import * as z from 'zod';
import { PolkitRig } from '../rig/polkit.ts';
import { run, type RunResult } from '../rig/run.ts';
import { waitUntil } from '../rig/wait.ts';
import { generateKeyPair } from '../rig/wireguard-keys.ts';
import type { Outcome } from './attacks.ts';
import type { Agent } from './rig/agent.ts';
import { attack, outcomeOf, patience } from './rig/attack.ts';
import { AttackRig, startHelper, uids } from './rig/attack-rig.ts';
import { gainSchema, mount, python } from './rig/attacker.ts';
import { codeOf, echoDraft, save } from './rig/drafts.ts';
import { InstalledCli, type CliOptions } from './rig/installed-cli.ts';

/** The product's own helper and its command line: hostile files, environments and texts. */

const stack = new AsyncDisposableStack();
let rig: AttackRig;
let cli: InstalledCli;
let administrator: Agent;
const home = '/run/attack/home';
const marker = '/run/attack/home/it-was-run';
const person = uids.person;

beforeAll(async () => {
  const polkit = stack.use(await PolkitRig.start());
  await polkit.setSession(person, 'active');
  await polkit.addRule(`polkit.addRule(function (action, subject) {
    return action.id.indexOf('org.sallyport.helper.') === 0 && subject.user === 'user${String(person)}'
      ? polkit.Result.YES : polkit.Result.NOT_HANDLED;
  });`);
  rig = stack.use(await AttackRig.start({ isProduct: true }));
  cli = stack.use(await InstalledCli.install());
  administrator = stack.use(await rig.administrator());
  await mkdir(home, { recursive: true });
  await chown(home, person, person);
  // What the first tunnel opens for good is not the attacks'.
  const path = await place('first.conf', conf());
  for (const words of [
    ['import', path],
    ['connect', '--no-wait', 'first'],
    ['disconnect', 'first'],
    ['remove', 'first'],
  ]) {
    const { code, stderr } = await sallyport(words);
    expect([code, stderr]).toEqual([0, '']);
  }
});

afterAll(() => stack.disposeAsync());

const sallyport = (words: readonly string[], options: Partial<CliOptions> = {}): Promise<RunResult> =>
  cli.run(words, { uid: person, cwd: home, ...options });

/** A file that imports, with lines added to its sections. */
function conf({ interfaceLines = '', peerLines = 'AllowedIPs = 198.51.100.0/24' } = {}): string {
  return `[Interface]
PrivateKey = ${generateKeyPair().privateKey}
Address = 10.7.0.2/32
${interfaceLines}
[Peer]
PublicKey = ${generateKeyPair().publicKey}
Endpoint = 192.0.2.1:51820
${peerLines}
`;
}

async function place(name: string, content: string): Promise<string> {
  const path = join(home, name);
  await writeFile(path, content);
  await chown(path, person, person);
  return path;
}

async function tunnels(): Promise<readonly string[]> {
  return (await sallyport(['list', '--names'])).stdout.split('\n').filter((name) => name !== '');
}

async function wasRun(): Promise<boolean> {
  return (await readdir(home)).includes('it-was-run');
}

attack(
  () => rig,
  'configuration/scripts',
  async () => {
    const scripts = ['PreUp', 'PostUp', 'PreDown', 'PostDown'].map((key) => `${key} = touch ${marker}`);
    for (const line of scripts) {
      const path = await place('scripts.conf', conf({ interfaceLines: line }));
      const refused = await sallyport(['import', path]);
      expect([line, refused.code]).toEqual([line, 1]);
      expect(refused.stderr).toContain(line.split(' ')[0]);
    }
    const unknown = [
      'up',
      'down',
      'plugin',
      'script-security',
      'log',
      'SaveConfig',
      'ExecStart',
      'route-up',
      'setenv',
    ];
    for (const key of unknown) {
      for (const changes of [{ interfaceLines: `${key} = ${marker}` }, { peerLines: `${key} = ${marker}` }]) {
        const refused = await sallyport(['import', await place('unknown.conf', conf(changes))]);
        expect([key, refused.code]).toEqual([key, 1]);
      }
    }
    expect(await tunnels()).toEqual([]);

    const path = await place('without.conf', conf({ interfaceLines: scripts.join('\n') }));
    expect((await sallyport(['import', '--without-scripts', path])).code).toBe(0);
    expect((await sallyport(['connect', '--no-wait', 'without'])).code).toBe(0);
    await waitUntil('its interface', async () => (await run('ip', ['link'])).includes(': sp'));
    expect((await sallyport(['disconnect', 'without'])).code).toBe(0);
    expect((await sallyport(['remove', 'without'])).code).toBe(0);
    return (await wasRun()) ? 'served' : 'notRun';
  },
);

attack(
  () => rig,
  'configuration/newline',
  async () => {
    const key = generateKeyPair();
    const reference = '0b3d6a52-5d0c-4b43-9a06-2f6f0b6b2d11';
    const right = {
      privateKey: { secretReference: reference },
      addresses: ['10.7.0.2/32'],
      dns: { servers: ['10.7.0.1'], searchDomains: ['example.com'] },
      peers: [
        {
          publicKey: key.publicKey,
          allowedIPs: ['198.51.100.0/24'],
          endpoint: { host: '192.0.2.1', port: 51_820 },
        },
      ],
    };
    const poison = `\nPostUp = touch ${marker}\n`;
    const text = JSON.stringify(right);
    const values = [key.publicKey, '10.7.0.2/32', '10.7.0.1', 'example.com', '198.51.100.0/24', '192.0.2.1'];
    for (const value of values) {
      for (const poisoned of [`${value}${poison}`, `${poison}${value}`]) {
        const providerConfiguration: unknown = JSON.parse(
          text.replace(JSON.stringify(value), () => JSON.stringify(poisoned)),
        );
        const draft = echoDraft({
          retry: false,
          secretReferences: [reference],
          protocolConfiguration: {
            providerBundleIdentifier: 'org.sallyport.helper.wireguard',
            serverAddress: poisoned.slice(0, 300),
            providerConfiguration,
          },
        });
        const secrets = { [reference]: key.privateKey };
        const stored = await administrator.call('configurations.save', {
          configuration: draft,
          expectedRevision: null,
          secrets,
        });
        if (codeOf(stored) !== 'answered') continue;
        const started = await administrator.call('session.start', { id: draft.id });
        expect([poisoned, codeOf(started)]).toEqual([poisoned, 'configurationFailed']);
        expect(codeOf(await administrator.call('configurations.remove', { id: draft.id }))).toBe('answered');
      }
    }
    expect(await run('ip', ['link'])).not.toContain(': sp');
    expect(await readFile('/etc/resolv.conf', 'utf8')).not.toContain('PostUp');
    return (await wasRun()) ? 'served' : 'denied';
  },
);

attack(
  () => rig,
  'configuration/environment',
  async () => {
    const trap = join(home, 'bin');
    await mkdir(trap, { recursive: true });
    for (const name of ['ip', 'wg', 'resolvconf', 'resolvectl', 'sh', 'nft', 'pkttyagent', 'node']) {
      await writeFile(join(trap, name), `#!/bin/sh\n/usr/bin/touch ${marker}\n`, { mode: 0o755 });
    }
    await place('trap.js', `require('fs').writeFileSync(${JSON.stringify(marker)}, '')`);
    const env = {
      PATH: `${trap}:/usr/bin`,
      NODE_OPTIONS: `--require=${home}/trap.js`,
      DBUS_SYSTEM_BUS_ADDRESS: `unixexec:path=${trap}/sh`,
      DBUS_SESSION_BUS_ADDRESS: `unixexec:path=${trap}/sh`,
      SALLYPORT_ENDPOINT: '/tmp/false.sock',
      LD_LIBRARY_PATH: trap,
      IFS: '/',
      BASH_ENV: `${home}/trap.js`,
    };
    const path = await place('environment.conf', conf());
    expect((await sallyport(['import', '--no-ask-password', path], { env })).code).toBe(0);
    expect((await sallyport(['connect', '--no-wait', 'environment'], { env })).code).toBe(0);
    await waitUntil('its interface', async () => (await run('ip', ['link'])).includes(': sp'));
    expect((await sallyport(['disconnect', 'environment'], { env })).code).toBe(0);
    expect((await sallyport(['remove', 'environment'], { env })).code).toBe(0);
    return (await wasRun()) ? 'served' : 'plainText';
  },
);

attack(
  () => rig,
  'configuration/many-routes',
  async () => {
    const networks = Array.from(
      { length: 8000 },
      (_, index) => `100.${String(64 + (index >> 8))}.${String(index & 255)}.0/25`,
    );
    const path = await place('many.conf', conf({ peerLines: `AllowedIPs = ${networks.join(', ')}` }));
    const imported = await sallyport(['import', path]);
    if (imported.code === 0) await sallyport(['connect', '--no-wait', 'many']);
    const times: number[] = [];
    const end = performance.now() + 6000;
    while (performance.now() < end) {
      const { result, milliseconds } = await rig.witness.call('extension.list');
      expect(result).toBeDefined();
      times.push(milliseconds ?? Infinity);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (imported.code === 0) {
      await sallyport(['disconnect', 'many']);
      await sallyport(['remove', 'many']);
    }
    const slow = times.toSorted((one, other) => one - other)[Math.floor(times.length * 0.99)] ?? Infinity;
    expect(slow).toBeLessThan(patience);
    return 'inTime';
  },
);

/** An import that must fail without reading: its words name the reason and nothing of the content. */
async function notRead(path: string, reason: RegExp): Promise<Outcome> {
  const { code, stdout, stderr } = await sallyport(['import', path]);
  expect([path, code]).toEqual([path, 1]);
  expect(stderr).toMatch(reason);
  expect(stdout + stderr).not.toContain('root:');
  expect(await tunnels()).toEqual([]);
  return 'notRead';
}

attack(
  () => rig,
  'files/symlink',
  async () => {
    await symlink('/etc/shadow', join(home, 'shadow.conf'));
    await symlink('loop.conf', join(home, 'loop.conf'));
    await notRead(join(home, 'loop.conf'), /circle/);
    return notRead(join(home, 'shadow.conf'), /may not read/);
  },
);

attack(
  () => rig,
  'files/special',
  async () => {
    await run('mkfifo', ['-m', '666', join(home, 'fifo.conf')]);
    for (const path of [join(home, 'fifo.conf'), '/dev/zero', '/dev/tty', home, rig.endpoint]) {
      const begin = performance.now();
      await notRead(path, /not a regular file|is a directory|cannot be read/);
      expect(performance.now() - begin).toBeLessThan(5000);
    }
    return 'notRead';
  },
);

attack(
  () => rig,
  'files/hard-link',
  async () => {
    // On the rig's tmpfs: the owner and the mode go along with the link.
    await writeFile('/run/attack/secret', 'root:secret\n', { mode: 0o600 });
    await link('/run/attack/secret', join(home, 'hard.conf'));
    return notRead(join(home, 'hard.conf'), /may not read/);
  },
);

attack(
  () => rig,
  'files/swapped',
  async () => {
    // No method takes a path: where one is given instead of bytes it is no more than bad bytes.
    const paths = ['/etc/shadow', '../../etc/shadow', 'file:///etc/shadow', '/proc/self/environ'];
    for (const path of paths) {
      const data = await administrator.call('keychain.importIdentity', { data: path, password: '' });
      expect(codeOf(data)).toBe('invalidParameters');
      const draft = echoDraft();
      for (const member of ['path', 'file', 'url', 'certificateFile']) {
        expect(codeOf(await save(administrator, { ...draft, [member]: path }))).toBe('invalidParameters');
      }
    }
    return 'denied';
  },
);

attack(
  () => rig,
  'files/foreign-owner',
  async () => {
    const spoiled: [string, (state: string) => Promise<void>][] = [
      ['state of another', (state) => chown(join(state, 'helper'), uids.attacker, uids.attacker)],
      [
        'state behind a link',
        async (state) => {
          await run('mv', [join(state, 'helper'), join(state, 'moved')]);
          await symlink(join(state, 'moved'), join(state, 'helper'));
        },
      ],
      ['secrets of another', (state) => chown(join(state, 'helper/secrets'), uids.attacker, uids.attacker)],
    ];
    for (const [what, spoil] of spoiled) {
      const state = `/run/attack/state-${what.replaceAll(' ', '-')}`;
      await mkdir(join(state, 'helper/secrets'), { recursive: true, mode: 0o700 });
      await spoil(state);
      const started = await startHelper(state, { endpoint: '/run/attack/unused.sock' }).then(
        async (helper) => {
          await helper.stop();
          return 'it started';
        },
        (error: unknown) => String(error),
      );
      expect([what, started]).toEqual([what, expect.stringContaining('could not start')]);
      await rm(state, { recursive: true });
    }
    return 'notStarted';
  },
);

const escapes = '\u001b[2J\u001b]0;x\u0007\r\n{"level":"error","message":"forged"}\u202e\u009b31m';

/** Neither a control character nor one that turns the direction, line breaks of the program's own aside. */
function isPlain(text: string): boolean {
  return !/[\p{Cf}\u2028\u2029]/u.test(text) && !/\p{Cc}/u.test(text.replaceAll('\n', ''));
}

attack(
  () => rig,
  'output/log',
  async (attacked) => {
    const from = attacked.log.length;
    // A program whose own path forges a line, and words of a verified client's.
    const directory = '/run/attack/forger';
    await mkdir(directory, { recursive: true });
    const executable = join(directory, escapes.replaceAll('/', ''));
    await copyFile(python, executable);
    await chmod(executable, 0o755);
    const gained = await mount(
      gainSchema,
      { uid: uids.attacker, executable },
      'tell(gain(connect()))',
      attacked.endpoint,
    );
    expect(outcomeOf(gained)).toBe('refused');
    for (const method of [escapes.slice(0, 60), 'extension.list'])
      await administrator.call(method, { [escapes]: escapes });
    await using other = await attacked.administrator();
    await other.call('hello', {
      protocol: { oldest: 1, newest: 1 },
      client: { name: escapes.slice(0, 100), version: escapes.slice(0, 50) },
    });
    await waitUntil('the refusal in the log', () =>
      attacked.log.slice(from).some((line) => line.includes('refused')),
    );
    const lines = attacked.log.slice(from);
    expect(lines.filter((line) => line.includes('refused') && line.includes('forger'))).toHaveLength(1);
    for (const line of lines) expect([line, isPlain(line)]).toEqual([line, true]);
    const parsed = lines.map((line) => z.object({ message: z.string() }).parse(JSON.parse(line)).message);
    expect(parsed).not.toContain('forged');
    return 'plainText';
  },
);

attack(
  () => rig,
  'output/terminal',
  async () => {
    const name = `${escapes.replaceAll('/', '').slice(0, 40)}.conf`;
    const bad = await place('bad.conf', `[Interface]\n${escapes}\nAddress = ${escapes}\n[${escapes}]\n`);
    const calls: readonly (readonly string[])[] = [
      ['import', join(home, name)],
      ['import', await place(name, conf({ interfaceLines: `Address = ${escapes}` }))],
      ['import', bad],
      ['import', '--name', escapes, await place('good.conf', conf())],
      ['connect', escapes],
      ['show', escapes],
      [escapes],
      ['log', '-n', '500', '--level', 'debug'],
      ['list', escapes],
    ];
    for (const words of calls) {
      const { stdout, stderr } = await sallyport(words);
      expect((stdout + stderr).length).toBeGreaterThan(0);
      for (const text of [stdout, stderr]) expect([text, isPlain(text)]).toEqual([text, true]);
    }
    expect(await tunnels()).toEqual([]);
    return 'plainText';
  },
);
