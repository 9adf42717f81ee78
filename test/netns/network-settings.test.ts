import { lstat, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PacketTunnelNetworkSettings } from '../../shared/provider/network-settings.ts';
import { run } from '../rig/run.ts';
import { diffSnapshots, snapshotNetwork, type NetworkSnapshot } from '../rig/snapshot.ts';
import {
  openController,
  plugIn,
  resolvConf,
  routesTo,
  settingsOf,
  temporaryDirectory,
  TestTunnel,
  unplug,
  wayTo,
  type TestController,
} from './network-machine.ts';

const outside4 = '203.0.113.9';
const outside6 = '2001:db8:ffff::9';
const full4 = { addresses: ['10.0.0.2/32'], includedRoutes: routesTo('0.0.0.0/0') };
const full6 = { addresses: ['fd00::2/128'], includedRoutes: routesTo('::/0') };

let state: Awaited<ReturnType<typeof temporaryDirectory>>;
let before: NetworkSnapshot;
let opened: TestController;
let tunnel: TestTunnel;

beforeEach(async () => {
  state = await temporaryDirectory();
  await plugIn();
  opened = await openController(state.path);
  before = await snapshotNetwork();
  tunnel = new TestTunnel('one', 'sp0');
});

afterEach(async () => {
  await opened.controller.close();
  tunnel[Symbol.dispose]();
  const leftovers = diffSnapshots(before, await snapshotNetwork());
  await unplug();
  await state.remove();
  expect(leftovers).toEqual([]);
  expect(opened.log.filter((line) => /^(?:error|warning)/.test(line))).toEqual([]);
});

function apply(settings: Partial<PacketTunnelNetworkSettings>): Promise<unknown> {
  return opened.controller.apply(tunnel.session, settingsOf(settings));
}

describe('routes', () => {
  test('[F1] a full tunnel takes all but on-link networks, loopback and its own packets', async () => {
    const main = await run('ip', ['route', 'show', 'table', 'main']);
    await apply({ ipv4: full4, ipv6: full6 });
    expect(await run('ip', ['route', 'show', 'table', 'main'])).toBe(main);
    const { fwmark } = tunnel.session;
    for (const [address, way] of [
      [outside4, 'sp0'],
      [outside6, 'sp0'],
      ['192.0.2.77', 'eth7'],
      ['2001:db8:1::77', 'eth7'],
      ['127.0.0.1', 'lo'],
      ['::1', 'lo'],
      ['ff02::1%eth7', 'eth7'],
    ] as const) {
      const [plain, device] = address.split('%');
      const found =
        device === undefined
          ? await wayTo(address)
          : /dev (\S+)/.exec(await run('ip', ['route', 'get', plain ?? '', 'oif', device]))?.[1];
      expect([address, found]).toEqual([address, way]);
    }
    expect(await wayTo(outside4, fwmark)).toBe('eth7');
    expect(await wayTo(outside6, fwmark)).toBe('eth7');
    expect(await run('ip', ['route', 'get', outside4])).toContain('src 10.0.0.2');
    expect(await readFile('/proc/sys/net/ipv4/conf/all/src_valid_mark', 'utf8')).toBe('1\n');
    await opened.controller.clear('one');
    expect(await wayTo(outside4)).toBe('eth7');
    expect(diffSnapshots(before, await snapshotNetwork())).toEqual(['+ link sp0 tun mtu 1500 down']);
  });

  test('an IPv4-only full tunnel blocks IPv6, unless chosen otherwise, and neighbours stay', async () => {
    await apply({ ipv4: full4 });
    expect(await wayTo(outside6)).toBe('unreachable');
    expect(await wayTo('2001:db8:1::77')).toBe('eth7');
    expect(await wayTo('::1')).toBe('lo');
    const answer = await run('ip', ['-6', 'route', 'get', 'fe80::1', 'oif', 'eth7']);
    expect(answer).toContain('dev eth7');
    await apply({ ipv4: full4, routing: { table: 'auto', fwmark: null, blockOtherFamily: false } });
    expect(await wayTo(outside6)).toBe('eth7');
    expect(await wayTo(outside4)).toBe('sp0');
  });

  test('an IPv6-only full tunnel blocks IPv4', async () => {
    await apply({ ipv6: full6 });
    expect(await wayTo(outside6)).toBe('sp0');
    expect(await wayTo(outside4)).toBe('unreachable');
    expect(await wayTo('192.0.2.77')).toBe('eth7');
    expect(await wayTo('127.0.0.1')).toBe('lo');
  });

  test('split routes take what they name', async () => {
    const rules = await run('ip', ['rule']);
    await apply({
      ipv4: { addresses: ['10.0.0.2/24'], includedRoutes: routesTo('10.0.0.0/24', '198.51.100.0/24') },
      ipv6: { addresses: ['fd00::2/64'], includedRoutes: routesTo('fd00::/64', '2001:db8:ffff::/48') },
    });
    expect(await run('ip', ['rule'])).toBe(rules);
    for (const address of ['10.0.0.9', '198.51.100.9', 'fd00::9', outside6]) {
      expect([address, await wayTo(address)]).toEqual([address, 'sp0']);
    }
    expect(await wayTo(outside4)).toBe('eth7');
  });

  test('excluded routes go where they would go without the tunnel, and follow it', async () => {
    const exclude = routesTo('203.0.113.0/24', '198.51.100.0/24');
    await apply({
      ipv4: { ...full4, excludedRoutes: exclude },
      ipv6: { ...full6, excludedRoutes: routesTo('2001:db8:ffff::/48') },
    });
    expect(await wayTo(outside4)).toBe('eth7');
    expect(await wayTo(outside6)).toBe('eth7');
    expect(await wayTo('8.8.8.8')).toBe('sp0');
    await run('ip', ['route', 'replace', '203.0.113.0/24', 'via', '192.0.2.253', 'dev', 'eth7']);
    expect(await run('ip', ['route', 'get', outside4])).toContain('via 192.0.2.253');
    await run('ip', ['route', 'delete', '203.0.113.0/24', 'via', '192.0.2.253']);
    // Included now: the hole closes without the tunnel's other routes being touched.
    await apply({ ipv4: { ...full4, excludedRoutes: exclude.slice(1) }, ipv6: full6 });
    expect(await wayTo(outside4)).toBe('sp0');
    expect(await wayTo(outside6)).toBe('sp0');
  });

  test('a hole in a split route leads out as well', async () => {
    await apply({
      ipv4: {
        addresses: ['10.0.0.2/32'],
        includedRoutes: routesTo('10.0.0.0/8', '10.1.7.0/24'),
        excludedRoutes: routesTo('10.1.0.0/16'),
      },
    });
    expect(await wayTo('10.2.0.1')).toBe('sp0');
    expect(await wayTo('10.1.0.1')).toBe('eth7');
    expect(await wayTo('10.1.7.1')).toBe('sp0');
    expect(await wayTo(outside4)).toBe('eth7');
  });

  test('two halves are a default route, whose own packets do not run in a circle', async () => {
    await apply({
      ipv4: { addresses: ['10.0.0.2/32'], includedRoutes: routesTo('0.0.0.0/1', '128.0.0.0/1') },
    });
    expect(await wayTo(outside4)).toBe('sp0');
    expect(await wayTo(outside4, tunnel.session.fwmark)).toBe('eth7');
    expect(await wayTo(outside6)).toBe('unreachable');
  });

  test('a table of the configuration’s choosing holds the routes, and off holds none', async () => {
    await apply({ ipv4: full4, routing: { table: 1234, fwmark: null, blockOtherFamily: true } });
    expect(await run('ip', ['route', 'show', 'table', '1234'])).toContain('default dev sp0');
    expect(await wayTo(outside4)).toBe('eth7');
    await apply({ ipv4: full4, routing: { table: 'off', fwmark: null, blockOtherFamily: true } });
    expect(
      await run('ip', ['route', 'show', 'table', 'all', 'dev', 'sp0', 'type', 'unicast', 'to', '0.0.0.0/0']),
    ).not.toContain('default');
  });

  test('[M3] a full and a split session run side by side, the more specific wins', async () => {
    using second = new TestTunnel('two', 'sp1');
    await apply({ ipv4: full4 });
    const split = { addresses: ['10.0.1.2/32'], includedRoutes: routesTo('203.0.113.0/24') };
    await opened.controller.apply(second.session, settingsOf({ ipv4: split }));
    expect(await wayTo(outside4)).toBe('sp1');
    expect(await wayTo('8.8.8.8')).toBe('sp0');
    await opened.controller.clear('two');
    expect(await wayTo(outside4)).toBe('sp0');
  });

  test('3,000 routes take less than five seconds each way', async () => {
    const many = Array.from({ length: 3000 }, (_, n) => `10.${String(n >> 8)}.${String(n & 255)}.0/24`);
    const begun = performance.now();
    await apply({ ipv4: { addresses: ['10.200.0.2/32'], includedRoutes: routesTo(...many) } });
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(await wayTo('10.11.183.9')).toBe('sp0');
    await opened.controller.clear('one');
    expect(performance.now() - begun).toBeLessThan(10_000);
  });
});

describe('changes of a running tunnel', () => {
  /** What the kernel reports of routing while something happens, apart from what it reports of itself. */
  async function eventsDuring(act: () => Promise<unknown>): Promise<string[]> {
    const monitor = spawn('ip', ['-oneline', 'monitor', 'link', 'address', 'route', 'rule'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(monitor, 'spawn');
    let output = '';
    monitor.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const marker = async (name: string, verb: string): Promise<void> => {
      await run('ip', ['route', verb, name, 'dev', 'eth7']);
      const line = `${verb === 'delete' ? 'Deleted ' : ''}${name.replace('/32', '')} dev eth7`;
      await expect.poll(() => output, { timeout: 5000 }).toContain(line);
    };
    // The monitor says nothing when it begins to listen: it is ready once it sees a route come.
    await expect
      .poll(async () => {
        await run('ip', ['route', 'replace', '192.0.2.250/32', 'dev', 'eth7']);
        return output;
      })
      .toContain('192.0.2.250');
    await marker('192.0.2.250/32', 'delete');
    output = '';
    await act();
    await marker('192.0.2.251/32', 'add');
    await marker('192.0.2.251/32', 'delete');
    monitor.kill('SIGKILL');
    await once(monitor, 'close');
    return output.split('\n').filter((line) => line !== '' && !line.includes('192.0.2.25'));
  }

  test('[M7] changing DNS reaches neither interface nor routes', async () => {
    await apply({ ipv4: full4, ipv6: full6, dns: { servers: ['10.0.0.53'] } });
    const events = await eventsDuring(() =>
      apply({ ipv4: full4, ipv6: full6, dns: { servers: ['10.0.0.54'], searchDomains: ['corp.example'] } }),
    );
    expect(events).toEqual([]);
    expect(await readFile(resolvConf, 'utf8')).toContain('nameserver 10.0.0.54\nsearch corp.example\n');
  });

  test('[M7] changing routes adds before it removes and touches no other', async () => {
    const split = (...routes: string[]): Partial<PacketTunnelNetworkSettings> => ({
      ipv4: { addresses: ['10.0.0.2/32'], includedRoutes: routesTo(...routes) },
    });
    await apply(split('198.51.100.0/24', '203.0.113.0/25'));
    const events = await eventsDuring(() => apply(split('198.51.100.0/24', '203.0.113.0/24')));
    expect(events.map((line) => line.trim())).toEqual([
      expect.stringMatching(/^203\.0\.113\.0\/24 dev sp0/),
      expect.stringMatching(/^Deleted 203\.0\.113\.0\/25 dev sp0/),
    ]);
  });

  test('[M7] the same settings again do nothing', async () => {
    const settings = { ipv4: full4, ipv6: full6, dns: { servers: ['10.0.0.53'] }, mtu: 1380 };
    await apply(settings);
    expect(await eventsDuring(() => apply(settings))).toEqual([]);
  });

  test('[M7] from split to full and back, with other addresses, under the same interface', async () => {
    await apply({ ipv4: { addresses: ['10.0.0.2/24'], includedRoutes: routesTo('203.0.113.0/24') } });
    await apply({ ipv4: { addresses: ['10.0.0.3/24'], includedRoutes: routesTo('0.0.0.0/0') } });
    const addresses = await run('ip', ['-4', 'address', 'show', 'sp0']);
    expect(addresses).toContain('10.0.0.3/24');
    expect(addresses).not.toContain('10.0.0.2/24');
    expect(await wayTo('8.8.8.8')).toBe('sp0');
    await apply({ ipv4: { addresses: [], includedRoutes: routesTo('203.0.113.0/24') } });
    expect(await wayTo(outside4)).toBe('sp0');
    expect(await wayTo('8.8.8.8')).toBe('eth7');
  });

  test('[M7] what cannot be applied changes nothing and names what stands in the way', async () => {
    await apply({ ipv4: full4, dns: { servers: ['10.0.0.53'] } });
    const held = await snapshotNetwork();
    await run('ip', ['route', 'add', '198.51.100.0/24', 'dev', 'eth7']);
    await expect(
      apply({
        ipv4: { addresses: ['10.0.0.9/32'], includedRoutes: routesTo('0.0.0.0/0', '198.51.100.0/24') },
        dns: { servers: ['10.0.0.99'] },
        mtu: 1300,
      }),
    ).rejects.toMatchObject({
      code: 'networkSettingsFailed',
      message: expect.stringContaining('198.51.100.0/24'),
    });
    await run('ip', ['route', 'delete', '198.51.100.0/24', 'dev', 'eth7']);
    expect(diffSnapshots(held, await snapshotNetwork())).toEqual([]);
  });

  test('[M7] mtu beats tunnelOverheadBytes, and the latter follows the path', async () => {
    let physicalMtu = 1500;
    const { controller } = await openController(state.path, { physicalMtu: () => physicalMtu });
    const mtu = async (): Promise<string | undefined> =>
      /mtu (\d+)/.exec(await run('ip', ['link', 'show', 'sp0']))?.[1];
    await controller.apply(tunnel.session, settingsOf({ ipv4: full4, tunnelOverheadBytes: 60 }));
    expect(await mtu()).toBe('1440');
    physicalMtu = 1400;
    await controller.pathChanged();
    expect(await mtu()).toBe('1340');
    await controller.apply(tunnel.session, settingsOf({ ipv4: full4, tunnelOverheadBytes: 60, mtu: 1300 }));
    await controller.pathChanged();
    expect(await mtu()).toBe('1300');
    await controller.close();
    expect(await mtu()).toBe('1500');
  });
});

describe('resolv.conf', () => {
  const dns = { servers: ['10.0.0.53', 'fd00::53'], searchDomains: ['corp.example'] };
  const text = 'nameserver 192.0.2.53\nsearch lan.example\n';
  const aside = '/etc/resolv.conf.of-the-rig';

  beforeEach(async () => {
    await rename(resolvConf, aside);
  });
  afterEach(async () => {
    await rename(aside, resolvConf);
  });

  test('[F1] a file comes back with its mode', async () => {
    await writeFile(resolvConf, text, { mode: 0o640 });
    await apply({ ipv4: full4, dns });
    const ours = await readFile(resolvConf, 'utf8');
    expect(ours).toContain('nameserver 10.0.0.53\nnameserver fd00::53\nsearch corp.example\n');
    expect(ours).not.toContain('192.0.2.53');
    expect((await lstat(resolvConf)).mode & 0o777).toBe(0o644);
    await opened.controller.clear('one');
    expect(await readFile(resolvConf, 'utf8')).toBe(text);
    expect((await lstat(resolvConf)).mode & 0o777).toBe(0o640);
  });

  test('[F1] a symbolic link comes back as a link, its target untouched', async () => {
    await writeFile('/run/rig-resolv.conf', text);
    await symlink('../run/rig-resolv.conf', resolvConf);
    await apply({ ipv4: full4, dns });
    expect((await lstat(resolvConf)).isSymbolicLink()).toBe(false);
    expect(await readFile('/run/rig-resolv.conf', 'utf8')).toBe(text);
    await opened.controller.clear('one');
    expect(await readlink(resolvConf)).toBe('../run/rig-resolv.conf');
    await rm('/run/rig-resolv.conf');
    await rm(resolvConf);
  });

  test('[F1] a bind mount is written in place, and stays mounted', async () => {
    await writeFile('/run/rig-mounted', text);
    await writeFile(resolvConf, '');
    await run('mount', ['--bind', '/run/rig-mounted', resolvConf]);
    try {
      const { ino } = await lstat(resolvConf);
      await apply({ ipv4: full4, dns });
      expect(await readFile('/run/rig-mounted', 'utf8')).toContain('nameserver 10.0.0.53');
      await opened.controller.clear('one');
      expect(await readFile(resolvConf, 'utf8')).toBe(text);
      expect((await lstat(resolvConf)).ino).toBe(ino);
    } finally {
      await run('umount', [resolvConf]);
      await rm('/run/rig-mounted');
    }
  });

  test('[F1] none before is none after', async () => {
    await rm(resolvConf, { force: true });
    await apply({ ipv4: full4, dns });
    expect(await readFile(resolvConf, 'utf8')).toContain('10.0.0.53');
    await opened.controller.clear('one');
    await expect(lstat(resolvConf)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a split tunnel leaves it alone without match domains, and is asked first with them', async () => {
    await writeFile(resolvConf, text);
    const ipv4 = { addresses: ['10.0.0.2/32'], includedRoutes: routesTo('10.0.0.0/24') };
    await apply({ ipv4, dns });
    expect(await readFile(resolvConf, 'utf8')).toBe(text);
    await apply({ ipv4, dns: { ...dns, matchDomains: ['internal.example'] } });
    expect(await readFile(resolvConf, 'utf8')).toContain(
      'nameserver 10.0.0.53\nnameserver fd00::53\nnameserver 192.0.2.53\nsearch corp.example internal.example lan.example\n',
    );
    await opened.controller.clear('one');
    expect(await readFile(resolvConf, 'utf8')).toBe(text);
  });
});

test('[L10] a full tunnel of another extension is refused with its name while that one lives', async () => {
  const victim = spawn(
    process.execPath,
    [
      fileURLToPath(new URL('network-victim.ts', import.meta.url)),
      state.path,
      'hold',
      'org.example.other',
      'spx',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    const [said] = await once(victim.stdout, 'data');
    expect(String(said)).toBe('applied\n');
    await expect(apply({ ipv4: full4 })).rejects.toMatchObject({
      code: 'networkSettingsFailed',
      message: expect.stringContaining('org.example.other'),
    });
    await apply({ ipv4: { addresses: ['10.0.0.2/32'], includedRoutes: routesTo('10.0.0.0/24') } });
    await opened.controller.clear('one');
  } finally {
    victim.kill('SIGKILL');
    await once(victim, 'exit');
  }
  await apply({ ipv4: full4 });
  expect(await wayTo(outside4)).toBe('sp0');
  await opened.controller.clear('one');
  // The other extension's next start undoes what its death left.
  const next = await openController(`${state.path}/org.example.other`, { extension: 'org.example.other' });
  await next.controller.recover();
});
