import { describe, expect, it } from 'vitest';
import type { PacketTunnelNetworkSettings } from '@sallyport/shared/provider/network-settings.ts';
import { MemoryNetworkSystem } from './memory-system.ts';
import { unmanagedByNetworkManager } from './network-manager.ts';
import { SystemError } from './system.ts';
import {
  MemoryClaims,
  MemoryJournalStorage,
  routesTo,
  sessionOf,
  settingsOf,
  startController,
  textFile,
} from './testing.ts';

const resolvConf = '/etc/resolv.conf';
const full: Partial<PacketTunnelNetworkSettings> = {
  ipv4: { addresses: ['10.0.0.2/32'], includedRoutes: routesTo('0.0.0.0/0') },
  dns: { servers: ['10.0.0.53'] },
};
const split = (route: string, server = '10.0.0.53'): Partial<PacketTunnelNetworkSettings> => ({
  ipv4: { addresses: ['10.0.0.2/32'], includedRoutes: routesTo(route) },
  dns: { servers: [server], matchDomains: [''] },
});

function newSystem(): MemoryNetworkSystem {
  const system = new MemoryNetworkSystem();
  system.addLink({ name: 'sp1', index: 1 });
  system.addLink({ name: 'sp2', index: 2 });
  system.sysctls.set('net/ipv4/conf/all/src_valid_mark', '0');
  system.sysctls.set('net/ipv4/conf/all/rp_filter', '0');
  system.sysctls.set('net/ipv6/conf/all/forwarding', '0');
  system.files.set(resolvConf, textFile('nameserver 192.168.1.1\n'));
  return system;
}

async function operationsOf(system: MemoryNetworkSystem, act: () => Promise<unknown>): Promise<string[]> {
  const operations: string[] = [];
  system.after = (operation) => operations.push(operation);
  await act();
  system.after = () => undefined;
  return operations.filter((operation) => /^(?:add|remove|set|write|rename|revert|truncate)/.test(operation));
}

describe('SystemNetworkController', () => {
  it('[F1] leaves nothing behind after a stop', async () => {
    const system = newSystem();
    const storage = new MemoryJournalStorage();
    const { controller } = await startController(system, storage);
    const start = system.snapshot();
    const applied = await controller.apply(sessionOf('a', 1), settingsOf(full));
    expect(applied).toEqual({ mtu: 1420, claims: ['0.0.0.0/0', '::/0'], full: [4, 6] });
    expect(system.snapshot()).not.toBe(start);
    await controller.clear('a');
    expect(system.snapshot()).toBe(start);
    expect(storage.text).toBe('');
  });

  it('[M7] a change of DNS touches DNS alone, a change of routes routes alone', async () => {
    const system = newSystem();
    const { controller } = await startController(system, new MemoryJournalStorage());
    const session = sessionOf('a', 1);
    await controller.apply(session, settingsOf(split('192.0.2.0/24')));
    const dns = await operationsOf(system, () =>
      controller.apply(session, settingsOf(split('192.0.2.0/24', '10.0.0.54'))),
    );
    expect(dns).toEqual(['writeTemporary', 'rename']);
    const routes = await operationsOf(system, () =>
      controller.apply(session, settingsOf(split('198.51.100.0/24', '10.0.0.54'))),
    );
    expect(routes).toEqual(['addRoute', 'removeRoute']);
    const nothing = await operationsOf(system, () =>
      controller.apply(session, settingsOf(split('198.51.100.0/24', '10.0.0.54'))),
    );
    expect(nothing).toEqual([]);
  });

  it('[M7] a failure leaves everything as it was, and says what failed and what to do', async () => {
    const system = newSystem();
    const storage = new MemoryJournalStorage();
    const { controller } = await startController(system, storage);
    const session = sessionOf('a', 1);
    await controller.apply(session, settingsOf(split('192.0.2.0/24')));
    system.addForeignRoute(
      { destination: '203.0.113.0/24', table: 254, type: 'unicast', metric: 0, interface: 9, gateway: null },
      4,
    );
    const former = system.snapshot();
    await expect(
      controller.apply(session, settingsOf(split('203.0.113.0/24', '10.0.0.99'))),
    ).rejects.toMatchObject({
      code: 'networkSettingsFailed',
      message: expect.stringMatching(/203\.0\.113\.0\/24 through sp1.*as before.*Another program/s),
      details: { code: 'EXISTS' },
    });
    expect(system.snapshot()).toBe(former);
    await controller.clear('a');
    expect(storage.text).toBe('');
  });

  it('[M7] a later call and a stop overtake, in order, and only their own session', async () => {
    const system = newSystem();
    const { controller } = await startController(system, new MemoryJournalStorage());
    const start = system.snapshot();
    const [a, b] = [sessionOf('a', 1), sessionOf('b', 2)];
    const first = controller.apply(a, settingsOf(split('192.0.2.0/24')));
    const other = controller.apply(b, settingsOf(split('203.0.113.0/24')));
    const second = controller.apply(a, settingsOf(split('198.51.100.0/24')));
    await expect(first).rejects.toMatchObject({ code: 'networkSettingsCanceled' });
    await expect(other).resolves.toMatchObject({ claims: ['203.0.113.0/24'] });
    await expect(second).resolves.toMatchObject({ claims: ['198.51.100.0/24'] });
    const third = controller.apply(a, settingsOf(full));
    const stop = controller.clear('a');
    await expect(third).rejects.toMatchObject({ code: 'networkSettingsCanceled' });
    await stop;
    await controller.clear('b');
    expect(system.snapshot()).toBe(start);
  });

  it('[M7] an attempt that is overtaken half-way is rolled back', async () => {
    const system = newSystem();
    const { controller } = await startController(system, new MemoryJournalStorage());
    const start = system.snapshot();
    const session = sessionOf('a', 1);
    let overtaking: Promise<unknown> = Promise.resolve();
    system.after = (operation) => {
      if (operation !== 'addRule') return;
      system.after = () => undefined;
      overtaking = controller.apply(session, null);
    };
    await expect(controller.apply(session, settingsOf(full))).rejects.toMatchObject({
      code: 'networkSettingsCanceled',
    });
    await overtaking;
    expect(system.snapshot()).toBe(start);
  });

  it('[M7] settles within its deadline, and takes back what had begun', async () => {
    const system = newSystem();
    const { controller } = await startController(system, new MemoryJournalStorage(), { deadline: 30 });
    const start = system.snapshot();
    const { promise: answer, resolve } = Promise.withResolvers<undefined>();
    const runs = system.resolvedRuns.bind(system);
    system.resolvedRuns = async () => {
      await answer;
      return runs();
    };
    const begun = performance.now();
    await expect(controller.apply(sessionOf('a', 1), settingsOf(full))).rejects.toMatchObject({
      code: 'networkSettingsFailed',
      message: expect.stringContaining('within 30 ms'),
    });
    expect(performance.now() - begun).toBeLessThan(5000);
    resolve(undefined);
    await controller.clear('a');
    expect(system.snapshot()).toBe(start);
  });

  it('[M7] the MTU follows the path unless it was given', async () => {
    const system = newSystem();
    let physicalMtu = 1500;
    const { controller } = await startController(system, new MemoryJournalStorage(), {
      physicalMtu: () => physicalMtu,
    });
    await controller.apply(
      sessionOf('a', 1),
      settingsOf({ ...split('192.0.2.0/24'), tunnelOverheadBytes: 100 }),
    );
    await controller.apply(sessionOf('b', 2), settingsOf({ ...split('203.0.113.0/24'), mtu: 1300 }));
    const mtus = async (): Promise<number[]> => (await system.links()).map((link) => link.mtu);
    expect(await mtus()).toEqual([1400, 1300]);
    physicalMtu = 1450;
    expect(await operationsOf(system, () => controller.pathChanged())).toEqual(['setMtu']);
    expect(await mtus()).toEqual([1350, 1300]);
    expect([controller.mtu('a'), controller.mtu('b'), controller.mtu('c')]).toEqual([1350, 1300, 1370]);
    await controller.clear('a');
    expect((await mtus())[0]).toBe(1500);
  });

  it('routes that the kernel drops with the last IPv4 address come back', async () => {
    const system = newSystem();
    const { controller } = await startController(system, new MemoryJournalStorage());
    const session = sessionOf('a', 1);
    await controller.apply(session, settingsOf(split('192.0.2.0/24')));
    await controller.apply(
      session,
      settingsOf({ ipv4: { addresses: [], includedRoutes: routesTo('192.0.2.0/24') } }),
    );
    expect(await system.routes(4, 254)).toHaveLength(1);
  });

  it('[M3] sessions side by side share resolv.conf, and the last one gives it back', async () => {
    const system = newSystem();
    const { controller } = await startController(system, new MemoryJournalStorage());
    const start = system.snapshot();
    const servers = async (): Promise<string[]> =>
      [...((await system.readText(resolvConf)) ?? '').matchAll(/nameserver (\S+)/g)].map(
        (match) => match[1] ?? '',
      );
    await controller.apply(sessionOf('a', 1), settingsOf(split('192.0.2.0/24', '10.0.0.1')));
    await controller.apply(sessionOf('b', 2), settingsOf(split('203.0.113.0/24', '10.0.0.2')));
    expect(await servers()).toEqual(['10.0.0.2', '10.0.0.1']);
    await controller.clear('a');
    expect(await servers()).toEqual(['10.0.0.2']);
    await controller.clear('b');
    expect(system.snapshot()).toBe(start);
  });

  it('puts split DNS before the system’s own servers, also behind a link', async () => {
    const system = newSystem();
    system.files.set('/run/resolv.conf', textFile('nameserver 192.168.1.1\n'));
    system.files.set(resolvConf, { type: 'symlink', target: '../run/resolv.conf' });
    const { controller } = await startController(system, new MemoryJournalStorage());
    const start = system.snapshot();
    const settings = (server: string): Partial<PacketTunnelNetworkSettings> => ({
      ...split('192.0.2.0/24'),
      dns: { servers: [server], matchDomains: ['corp.example'] },
    });
    for (const server of ['10.0.0.1', '10.0.0.2']) {
      await controller.apply(sessionOf('a', 1), settingsOf(settings(server)));
      expect(await system.readText(resolvConf)).toContain(
        `nameserver ${server}\nnameserver 192.168.1.1\nsearch corp`,
      );
    }
    await controller.clear('a');
    expect(system.snapshot()).toBe(start);
  });

  it('[F1] leaves resolv.conf to whoever changed it meanwhile, and says so', async () => {
    const system = newSystem();
    const { controller, log } = await startController(system, new MemoryJournalStorage());
    await controller.apply(sessionOf('a', 1), settingsOf(full));
    system.files.set(resolvConf, textFile('nameserver 172.16.0.1\n'));
    await controller.clear('a');
    expect(await system.readText(resolvConf)).toBe('nameserver 172.16.0.1\n');
    expect(log.join('\n')).toContain('changed by another program');
  });

  it('uses resolved where names lead there, and the file as well where they do not', async () => {
    const system = newSystem();
    system.hasResolved = true;
    const { controller } = await startController(system, new MemoryJournalStorage());
    const start = system.snapshot();
    await controller.apply(sessionOf('a', 1), settingsOf(full));
    expect(system.resolvedOf(1)).toMatchObject({
      servers: ['10.0.0.53'],
      domains: [{ name: '.', routingOnly: true }],
      defaultRoute: true,
    });
    expect(await system.readText(resolvConf)).toContain('10.0.0.53');
    await controller.clear('a');
    expect(system.snapshot()).toBe(start);
    system.files.set(resolvConf, textFile('nameserver 127.0.0.53\n'));
    await controller.apply(sessionOf('a', 1), settingsOf(full));
    expect(await system.readText(resolvConf)).toBe('nameserver 127.0.0.53\n');
    await controller.close();
  });

  it('[L10] refuses a full tunnel beside another extension’s and names that', async () => {
    const system = newSystem();
    const claims = new MemoryClaims();
    claims.foreign = [{ identifier: 'org.example.other', full: [4, 6], tables: [] }];
    const { controller } = await startController(system, new MemoryJournalStorage(), { claims });
    const start = system.snapshot();
    await expect(controller.apply(sessionOf('a', 1), settingsOf(full))).rejects.toMatchObject({
      code: 'networkSettingsFailed',
      message: expect.stringContaining('org.example.other'),
    });
    expect(system.snapshot()).toBe(start);
    expect(claims.published).toEqual({ full: [], tables: [] });
    await controller.apply(sessionOf('a', 1), settingsOf(split('192.0.2.0/24')));
    expect(claims.published).toEqual({ full: [], tables: [sessionOf('a', 1).table] });
  });

  it('goes on without a sysctl that a container does not let it write', async () => {
    const system = newSystem();
    system.before = (operation) => {
      if (operation === 'writeSysctl') throw new SystemError('PERMISSION', 'read-only file system');
    };
    const { controller, log } = await startController(system, new MemoryJournalStorage());
    await controller.apply(sessionOf('a', 1), settingsOf(full));
    expect(log.join('\n')).toContain('read-only');
    await controller.clear('a');
  });

  it('keeps NetworkManager off its interfaces while the helper runs', async () => {
    const system = newSystem();
    const { controller } = await startController(system, new MemoryJournalStorage());
    const start = system.snapshot();
    const change = unmanagedByNetworkManager('com.example.tunnel', 'sp');
    await controller.setHostChanges([change]);
    expect(await system.readText(change.path)).toBe(
      '[device-com.example.tunnel]\nmatch-device=interface-name:sp*\nmanaged=0\n',
    );
    expect(system.reloads).toBe(1);
    await controller.apply(sessionOf('a', 1), settingsOf(full));
    await controller.clear('a');
    expect(system.reloads).toBe(1);
    await controller.close();
    expect(system.reloads).toBe(2);
    expect(system.snapshot()).toBe(start);
  });

  it('[F1] after a reboot restores files alone, and only if still ours', async () => {
    const storage = new MemoryJournalStorage();
    const before = newSystem();
    const { controller } = await startController(before, storage);
    await controller.apply(sessionOf('a', 1), settingsOf(full));
    for (const isOurs of [true, false]) {
      const after = newSystem();
      after.sysctls.set('net/ipv4/conf/all/src_valid_mark', '1');
      after.files.set(
        resolvConf,
        isOurs ? (before.files.get(resolvConf) ?? textFile('')) : textFile('other'),
      );
      const copy = new MemoryJournalStorage();
      copy.text = storage.text;
      const next = await startController(after, copy, { stamp: { boot: 'boot-2', namespace: 'net:[1]' } });
      const operations = await operationsOf(after, () => next.controller.recover());
      expect(operations.filter((operation) => operation !== 'removeTemporary')).toEqual(
        isOurs ? ['writeTemporary', 'rename'] : [],
      );
      expect(await after.readText(resolvConf)).toBe(isOurs ? 'nameserver 192.168.1.1\n' : 'other');
      expect(copy.text).toBe('');
    }
  });
});
