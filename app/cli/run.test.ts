import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { serverNotResponding, type FakeHelper } from '@sallyport/shared/client/testing/fake-helper.ts';
import { samplePrivateKey } from '@sallyport/shared/client/testing/sample-conf.ts';
import { EndpointError } from '@sallyport/shared/protocol/errors.ts';
import { allCommands } from './all-commands.ts';
import { CliFixture, expectDocumented } from './testing/cli-fixture.ts';

let fixture: CliFixture;
let helper: FakeHelper;
let confFile: string;
let done: CliFixture['done'];
let fails: CliFixture['fails'];

beforeEach(async () => {
  fixture = await CliFixture.start();
  ({ helper, confFile, done, fails } = fixture);
});
afterEach(() => fixture.close());

describe('list, show and status', () => {
  it('tell what to do while there is nothing', async () => {
    expect((await done('list')).out).toBe('There are no tunnels. To add one: sallyport import FILE\n');
    expect((await done('list', '--names')).out).toBe('');
    expect((await done('list', '--json')).json).toEqual({ tunnels: [] });
  });

  it('print aligned tables, by name', async () => {
    await done('import', confFile, '--name', 'work 東京');
    await done('import', confFile, '--name', 'home');
    await done('connect', 'home');
    expect((await done('list')).out).toBe(
      'NAME       STATUS        SERVER\n' +
        'home       connected     vpn.example.com:51820  for 0 s\n' +
        'work 東京  disconnected  vpn.example.com:51820\n',
    );
    expect((await done('list', '--names')).out).toBe('home\nwork 東京\n');
    expect((await done('status')).out).toBe('home       connected     for 0 s\nwork 東京  disconnected\n');
    expect((await done('status', 'work')).out).toBe('work 東京  disconnected\n');
  });

  it('print the documented JSON', async () => {
    await done('import', confFile);
    await done('connect', 'home');
    for (const command of ['list', 'status']) {
      const host = await done(command, '--json');
      expectDocumented(command, host.json);
      expect(host.json).toMatchObject({ tunnels: [{ session: { status: 'connected' } }] });
    }
    const shown = await done('show', '--json', 'home');
    expectDocumented('show', shown.json);
    expect(shown.json).toMatchObject({ statistics: { receivedBytes: 2048 } });
    expect(shown.out).not.toContain(samplePrivateKey);
  });

  it('show everything but the keys', async () => {
    await done('import', confFile);
    await done('connect', 'home');
    const { out } = await done('show', 'home');
    expect(out).toMatch(/^Name +home$/m);
    expect(out).toMatch(/^Status +connected \(for 0 s\)$/m);
    expect(out).toMatch(/^Server +vpn\.example\.com:51820$/m);
    expect(out).toMatch(/^Addresses +10\.8\.0\.2\/24, fd00:8::2\/64$/m);
    expect(out).toMatch(/^Traffic +2\.0 KiB received, 1\.0 KiB sent$/m);
    expect(out).not.toContain(samplePrivateKey);
  });

  it('[L13] say why the last run ended', async () => {
    await done('import', confFile);
    helper.startPlan = { kind: 'fail', error: serverNotResponding() };
    await fails(1, 'connect', 'home');
    expect((await done('status')).out).toContain('The server did not answer. Check its address.');
    expect((await done('show', 'home')).out).toMatch(
      /^Last run ended .*connectionFailed: The server did not/m,
    );
  });

  it('escape control characters that a provider or file brought along', async () => {
    await done('import', confFile);
    const [id = ''] = helper.configurations.keys();
    helper.setSession(id, { status: 'connecting', statusReason: 'a\u001b]0;title\u0007b\nc\u202e' });
    const { out } = await done('status');
    expect(out).toContain('a\\u{1B}]0;title\\u{7}b\\u{A}c\\u{202E}');
    expect(out).not.toContain('\u001b');
  });

  it('use colours on a terminal only, and not with NO_COLOR', async () => {
    await done('import', confFile);
    const colored = fixture.host({ isTTY: true });
    await colored.run('list');
    expect(colored.out).toContain('\u001b[1mhome\u001b[0m');
    const plain = fixture.host({ isTTY: true, environment: { NO_COLOR: '1' } });
    await plain.run('list');
    expect(plain.out).not.toContain('\u001b');
    const json = fixture.host({ isTTY: true });
    await json.run('list', '--json');
    expectDocumented('list', json.json);
  });
});

describe('status --watch', () => {
  it('prints each change, also over a restart of the helper, until it is interrupted', async () => {
    await done('import', confFile);
    await done('import', confFile, '--name', 'other');
    const host = fixture.host();
    const watching = host.run('status', '--watch', '--json', 'home');
    await vi.waitFor(() => {
      expect(host.awaitsInterrupt).toBe(true);
    });
    await done('connect', 'other');
    await done('connect', 'home');
    await vi.waitFor(() => {
      expect(host.jsonLines).toHaveLength(3);
    });
    await helper.endpoint.pause();
    await vi.waitFor(() => {
      expect(host.out).toContain('lost');
    });
    await helper.endpoint.resume();
    await vi.waitFor(() => {
      expect(host.jsonLines.at(-1)).toMatchObject({ session: { status: 'connected' } });
    }, 3000);
    host.interrupt();
    expect(await watching).toBe(0);
    const lines = host.jsonLines;
    for (const line of lines) expectDocumented('status', line);
    const shown = lines.filter((line) => !JSON.stringify(line).includes('"helper"'));
    expect(shown).toMatchObject(
      ['disconnected', 'connecting', 'connected', 'connected'].map((status) => ({ session: { status } })),
    );
    expect(host.out).not.toContain('"other"');
  });
});

describe('rename and remove', () => {
  it('rename keeps the session', async () => {
    await done('import', confFile);
    await done('connect', 'home');
    const host = await done('rename', 'home', 'house');
    expect(host.out).toBe('Renamed “home” to “house”.\n');
    expect((await done('status')).out).toContain('connected');
    expectDocumented('rename', (await done('rename', '--json', 'house', 'hut')).json);
    expect((await fails(1, 'rename', 'hut', '../x')).errorText).toContain('slash');
  });

  it('remove deletes', async () => {
    await done('import', confFile);
    const host = await done('remove', '--json', 'home');
    expectDocumented('remove', host.json);
    expect(helper.configurations.size).toBe(0);
    expect((await fails(1, 'remove', 'home')).errorText).toContain('No tunnel is named “home”');
  });
});

describe('names', () => {
  beforeEach(async () => {
    for (const name of ['home', 'Homework', 'office']) await done('import', confFile, '--name', name);
  });

  it('are matched exactly first, then by a beginning that is clear', async () => {
    expect((await done('status', 'home')).out).toMatch(/^home /);
    expect((await done('status', 'HOMEW')).out).toMatch(/^Homework /);
    expect((await done('status', 'o')).out).toMatch(/^office /);
  });

  it('that are not clear are refused with the candidates', async () => {
    expect((await fails(2, 'status', 'ho')).errorText).toBe(
      'sallyport: “ho” may be “home”, “Homework”. Type more of the name.\n',
    );
    expect((await fails(1, 'status', 'x\u001b[1m')).errorText).toContain('“x\\u{1B}[1m”');
  });
});

describe('connect and disconnect', () => {
  beforeEach(async () => {
    await done('import', confFile);
  });

  it('wait until it is so', async () => {
    expect((await done('connect', 'home')).out).toBe('“home” is connected.\n');
    const host = await done('connect', 'home', '--json');
    expectDocumented('connect', host.json);
    expect(host.json).toMatchObject({ session: { status: 'connected' } });
    expect((await done('disconnect', 'home')).out).toBe('“home” is disconnected.\n');
  });

  it('--no-wait returns once begun', async () => {
    helper.startPlan = { kind: 'hang' };
    expect((await done('connect', 'home', '--no-wait')).out).toBe('Connecting “home”.\n');
  });

  it('--wait ends with 5 after its time and leaves the session trying', async () => {
    helper.startPlan = { kind: 'hang' };
    const host = await fails(5, 'connect', 'home', '--wait', '0.05');
    expect(host.errorText).toContain('not connected within 0.05 s');
    expect([...helper.sessions.values()][0]?.status).toBe('connecting');
  });

  it.each(['0', '-1', 'soon', '1e9', ''])('--wait %j is a usage error', async (wait) => {
    expect((await fails(2, 'connect', 'home', `--wait=${wait}`)).errorText).toContain('--wait');
  });

  it('fail with the reason', async () => {
    helper.startPlan = { kind: 'fail', error: serverNotResponding() };
    expect((await fails(1, 'connect', 'home')).errorText).toBe(
      'sallyport: The server did not answer. Check its address.\n',
    );
    const host = await fails(1, 'connect', 'home', '--json');
    expect(host.json).toMatchObject({
      error: { domain: 'ConnectionError', code: 'serverNotResponding', number: 6 },
    });
  });

  it('disconnect without a name takes the only one that is up', async () => {
    expect((await done('disconnect')).out).toBe('No tunnel is connected.\n');
    await done('connect', 'home');
    const host = await done('disconnect', '--json');
    expectDocumented('disconnect', host.json);
    expect(host.json).toMatchObject({ disconnected: { configuration: { name: 'home' } } });
    await done('import', confFile, '--name', 'work');
    await done('connect', 'home');
    await done('connect', 'work');
    expect((await fails(2, 'disconnect')).errorText).toContain('“home”, “work”');
  });

  it('name --replace where another tunnel has the routes', async () => {
    helper.startRefusal = new EndpointError('sessionConflict', '“work” has the same routes.');
    expect((await fails(1, 'connect', 'home')).errorText).toContain('add --replace');
  });
});

describe('log', () => {
  beforeEach(() => {
    helper.writeLog('debug', 'detail');
    helper.writeLog('info', 'started');
    helper.writeLog('error', 'broke\u001b[2J');
  });

  it('prints entries at or above a level, escaped', async () => {
    const lines = (await done('log')).out.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d info sessions: started$/);
    expect(lines[1]).toMatch(/ error sessions: broke\\u\{1B\}\[2J$/);
    expect((await done('log', '--level', 'debug', '-n', '1')).out).toContain('broke');
    expect((await fails(2, 'log', '--level', 'loud')).errorText).toContain('--level is one of');
    expect((await fails(2, 'log', '-n', '0')).errorText).toContain('--lines takes');
  });

  it('--follow goes on, each entry once, until it is interrupted', async () => {
    const host = fixture.host();
    const following = host.run('log', '--follow', '--json', '--level', 'info');
    await vi.waitFor(() => {
      expect(host.awaitsInterrupt).toBe(true);
    });
    helper.writeLog('debug', 'too low');
    helper.writeLog('notice', 'more');
    await vi.waitFor(() => {
      expect(host.jsonLines).toHaveLength(3);
    });
    await helper.endpoint.pause();
    await helper.endpoint.resume();
    await vi.waitFor(
      () => {
        helper.writeLog('warning', 'after the loss');
        expect(host.out).toContain('after the loss');
      },
      { timeout: 3000, interval: 50 },
    );
    host.interrupt();
    expect(await following).toBe(0);
    const entries = host.jsonLines;
    for (const entry of entries) expectDocumented('log', entry);
    expect(entries.slice(0, 3)).toMatchObject([
      { message: 'started' },
      { level: 'error' },
      { message: 'more' },
    ]);
    expect(host.out.match(/"started"/g)).toHaveLength(1);
  });
});

it('[L9] extension list prints the registrations as the log has them', async () => {
  helper.extensions = [
    {
      bundleIdentifier: 'org.sallyport.helper',
      bundleVersion: '1',
      bundleShortVersion: '0.1.0',
      url: 'file:///x',
      isEnabled: true,
      isAwaitingUserApproval: false,
      isUninstalling: false,
      developerMode: true,
      pid: 42,
      startedAt: 0,
      registrations: [
        { identifier: 'org.sallyport.helper.wireguard', type: 'packet-tunnel', found: 1, active: 0 },
      ],
    },
  ];
  expect((await done('extension', 'list')).out).toMatch(
    /^org\.sallyport\.helper 0\.1\.0 \(1\), pid 42 since .*, developer mode\n {2}Found 1 \(0 active\) registrations for org\.sallyport\.helper\.wireguard \(packet-tunnel\)\n$/,
  );
  expectDocumented('extension list', (await done('extension', 'list', '--json')).json);
});

describe('the command line', () => {
  it('prints help and version', async () => {
    const { out } = await done('--help');
    for (const { path } of allCommands()) expect(out).toContain(path[0]);
    expect((await done('connect', '--help')).out).toContain('--no-wait');
    expect((await done('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([[['dance']], [['list', '--loud']], [['show']], [['show', 'a', 'b']], [['extension', 'dance']]])(
    'ends with 2 and one line for %j',
    async (words) => {
      const host = await fails(2, ...words);
      expect(host.errorText).toMatch(/^sallyport: [^\n]+\n$/);
      expect(host.out).toBe('');
    },
  );

  it('prints a usage error as JSON with --json', async () => {
    expect((await fails(2, 'show', '--json')).json).toMatchObject({
      error: { domain: 'UsageError', code: 'usage' },
    });
  });

  it.each([[[]], [['extension']]])('prints help and ends with 2 for %j', async (words) => {
    const host = await fails(2, ...words);
    expect(host.errorText).toContain('Usage:');
  });
});

describe('the password agent', () => {
  it('is not started for one who may do everything already, nor to read', async () => {
    const host = fixture.host({ isTTY: true });
    await host.run('import', confFile);
    await host.run('list');
    expect(host.agentStarts).toBe(0);
  });

  it('is started for a change and stopped afterwards, also after a failure', async () => {
    helper.role = 'observer';
    helper.refusal = new EndpointError('accessDenied', 'An administrator did not approve.');
    const stop = vi.fn(() => Promise.resolve());
    const host = fixture.host({ isTTY: true, agent: { stop } });
    expect(await host.run('import', confFile)).toBe(3);
    expect(host.agentStarts).toBe(1);
    expect(stop).toHaveBeenCalledTimes(1);
    const quiet = fixture.host({ isTTY: true });
    await quiet.run('import', '--no-ask-password', confFile);
    expect(quiet.agentStarts).toBe(0);
  });
});
