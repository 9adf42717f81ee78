import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RouteSpecification, RuleSpecification } from '@sallyport/helper/native/binding.d.ts';
import { native } from '@sallyport/helper/native/load.ts';
import { run } from '../rig/run.ts';
import { waitUntil } from '../rig/wait.ts';

const {
  addressAdd,
  addressRemove,
  addresses,
  linkByName,
  linkDelete,
  linkSet,
  links,
  routeAdd,
  routeRemove,
  routes,
  ruleAdd,
  ruleRemove,
  rules,
} = native();

const table = 51_820;
const absent = 999_999;
const refusal = (code: string): unknown => expect.objectContaining({ code });

let index = 0;

/** An interface to play with; another hand makes it, so that the kernel's view is what is compared. */
beforeEach(async () => {
  await run('ip', ['tuntap', 'add', 'dev', 'play', 'mode', 'tun']);
  index = linkByName('play')?.index ?? 0;
});

afterEach(async () => {
  if (linkByName('play') !== null) await run('ip', ['link', 'delete', 'play']);
});

const ip = async (...words: string[]): Promise<string> => (await run('ip', words)).trim();

describe('links', () => {
  test('are listed as the kernel has them', async () => {
    const shown: unknown = JSON.parse(await ip('-json', 'link'));
    const expected = links().map(({ index: ifindex, name: ifname, mtu }) => ({ ifindex, ifname, mtu }));
    expect(shown).toMatchObject(expected);
    expect(linkByName('play')).toMatchObject({ index, kind: 'tun', up: false, mtu: 1500 });
    expect(linkByName('lo')?.kind).toBeNull();
    expect(linkByName('absent')).toBeNull();
  });

  test('change MTU and state together or one at a time', () => {
    linkSet(index, { mtu: 1380, up: true });
    expect(linkByName('play')).toMatchObject({ mtu: 1380, up: true });
    linkSet(index, { mtu: 1280 });
    expect(linkByName('play')).toMatchObject({ mtu: 1280, up: true });
    linkSet(index, { up: false });
    expect(linkByName('play')).toMatchObject({ mtu: 1280, up: false });
  });

  test('go once', () => {
    linkDelete(index);
    expect(linkByName('play')).toBeNull();
    expect(() => {
      linkDelete(index);
    }).toThrow(refusal('NOT_FOUND'));
    expect(() => {
      linkSet(index, { up: true });
    }).toThrow(refusal('NOT_FOUND'));
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, 2 ** 53])(
    'are not asked for by %f',
    (bad) => {
      expect(() => {
        linkDelete(bad);
      }).toThrow(refusal('INVALID'));
    },
  );

  test.each(['', 'sixteen-bytes-xx', 'x'.repeat(5000)])('have no name like %j', (name) => {
    expect(() => linkByName(name)).toThrow(refusal('INVALID'));
  });
});

describe('addresses', () => {
  test.each(['192.0.2.1/24', '10.9.0.1/32', '2001:db8::1/64', '2001:db8:1::1/128'])(
    '%s comes and goes once',
    (cidr) => {
      linkSet(index, { up: true });
      const [address = '', prefix = ''] = cidr.split('/');
      addressAdd(index, cidr);
      expect(addresses(index)).toContainEqual({
        interfaceIndex: index,
        family: address.includes(':') ? 6 : 4,
        address,
        prefixLength: Number(prefix),
        tentative: false,
      });
      expect(() => {
        addressAdd(index, cidr);
      }).toThrow(refusal('EXISTS'));
      addressRemove(index, cidr);
      expect(addresses().map((entry) => entry.address)).not.toContain(address);
      expect(() => {
        addressRemove(index, cidr);
      }).toThrow(refusal('NOT_FOUND'));
    },
  );

  test('leave the main table alone when asked to', () => {
    linkSet(index, { up: true });
    const before = routes({ table: 254 });
    addressAdd(index, '192.0.2.1/24', { noPrefixRoute: true });
    addressAdd(index, '2001:db8::1/64', { noPrefixRoute: true });
    expect(routes({ table: 254 })).toEqual(before);
    addressAdd(index, '198.51.100.1/24');
    expect(routes({ table: 254 }).map(({ destination }) => destination)).toContain('198.51.100.0/24');
  });

  test.each([
    '',
    '192.0.2.1',
    '192.0.2.1/33',
    '192.0.2.1/-1',
    '192.0.2.1/24 ',
    '192.0.2.1/255.255.255.0',
    'a/8',
  ])('are not %j', (cidr) => {
    expect(() => {
      addressAdd(index, cidr);
    }).toThrow(refusal('INVALID'));
  });

  test('need their interface', () => {
    expect(() => {
      addressAdd(absent, '192.0.2.1/24');
    }).toThrow(refusal('NOT_FOUND'));
  });
});

describe('routes', () => {
  const cases: readonly (readonly [RouteSpecification, string[], RegExp])[] = [
    [
      { destination: '0.0.0.0/0', interfaceIndex: -1, table, kind: 'unicast' },
      ['-4'],
      /^default dev play .*scope link/,
    ],
    [
      { destination: '::/0', interfaceIndex: -1, table, kind: 'unicast', metric: 7 },
      ['-6'],
      /^default dev play .*metric 7/,
    ],
    [
      { destination: '198.51.100.0/24', interfaceIndex: -1, gateway: '192.0.2.9', table, kind: 'unicast' },
      ['-4'],
      /^198\.51\.100\.0\/24 via 192\.0\.2\.9 dev play/,
    ],
    [
      { destination: '2001:db8:9::/48', interfaceIndex: -1, gateway: '2001:db8::9', table, kind: 'unicast' },
      ['-6'],
      /^2001:db8:9::\/48 via 2001:db8::9 dev play/,
    ],
    [{ destination: '10.0.0.0/8', table, kind: 'unreachable' }, ['-4'], /^unreachable 10\.0\.0\.0\/8/],
    [
      { destination: '10.0.0.0/8', table, kind: 'prohibit', metric: 5 },
      ['-4'],
      /^prohibit 10\.0\.0\.0\/8 .*metric 5/,
    ],
    [{ destination: '10.1.0.0/16', table, kind: 'throw' }, ['-4'], /^throw 10\.1\.0\.0\/16/],
    [{ destination: '2001:db8:a::/48', table, kind: 'blackhole' }, ['-6'], /^blackhole 2001:db8:a::\/48/],
    [
      { destination: '192.0.2.77/32', interfaceIndex: -1, table: 7, kind: 'unicast', scope: 'host' },
      ['-4'],
      /^192\.0\.2\.77 dev play .*scope host/,
    ],
  ];

  test.each(cases)('%o comes and goes once', async (template, words, shown) => {
    linkSet(index, { up: true });
    addressAdd(index, '192.0.2.1/24');
    addressAdd(index, '2001:db8::1/64');
    const route = template.interfaceIndex === undefined ? template : { ...template, interfaceIndex: index };
    routeAdd(route);
    expect(await ip(...words, 'route', 'show', 'table', String(route.table))).toMatch(shown);
    const family = words[0] === '-4' ? 4 : 6;
    const [listed] = routes({ table: route.table, family });
    expect(listed).toMatchObject({ family, destination: route.destination, kind: route.kind, protocol: 4 });
    expect(() => {
      routeAdd(route);
    }).toThrow(refusal('EXISTS'));
    routeRemove(route);
    expect(routes({ table: route.table })).toEqual([]);
    expect(() => {
      routeRemove(route);
    }).toThrow(refusal('NOT_FOUND'));
  });

  test('of other programs stay', async () => {
    linkSet(index, { up: true });
    await ip('route', 'add', '198.51.100.0/24', 'dev', 'play');
    const same: RouteSpecification = {
      destination: '198.51.100.0/24',
      interfaceIndex: index,
      table: 254,
      kind: 'unicast',
    };
    expect(() => {
      routeRemove(same);
    }).toThrow(refusal('NOT_FOUND'));
    expect(await ip('route', 'show', '198.51.100.0/24')).not.toBe('');
  });

  test.each<RouteSpecification>([
    { destination: '192.0.2.1/24', table, kind: 'blackhole' },
    { destination: '192.0.2.0', table, kind: 'blackhole' },
    { destination: '192.0.2.0/24', table: 0, kind: 'blackhole' },
    { destination: '192.0.2.0/24', table, kind: 'unicast' },
    { destination: '192.0.2.0/24', table, kind: 'blackhole', interfaceIndex: 1 },
    { destination: '192.0.2.0/24', table, kind: 'unicast', interfaceIndex: 1, gateway: '::1' },
    { destination: '192.0.2.0/24', table, kind: 'blackhole', metric: -1 },
  ])('are not %o', (route) => {
    expect(() => {
      routeAdd(route);
    }).toThrow(refusal('INVALID'));
  });

  test('need their interface, and a gateway within reach', () => {
    const route: RouteSpecification = { destination: '192.0.2.0/24', table, kind: 'unicast' };
    expect(() => {
      routeAdd({ ...route, interfaceIndex: absent });
    }).toThrow(refusal('NOT_FOUND'));
    linkSet(index, { up: true });
    const beyond = (): void => {
      routeAdd({ ...route, interfaceIndex: index, gateway: '203.0.113.1' });
    };
    expect(beyond).toThrow(refusal('NETLINK_FAILED'));
    // The kernel's own explanation.
    expect(beyond).toThrow('Nexthop has invalid gateway');
  });

  test('are all listed, however many there are', async () => {
    const count = 5000;
    const batch = Array.from({ length: count }, (_, number) => {
      const network = `10.${String(number >> 8)}.${String(number & 255)}.0/24`;
      return `route add blackhole ${network} table ${String(table)}\n`;
    });
    await run('ip', ['-batch', '-'], { input: batch.join('') });
    expect(routes({ table, family: 4 })).toHaveLength(count);
    expect(routes({ table, family: 6 })).toEqual([]);
    await ip('route', 'flush', 'table', String(table));
    expect(routes({ table })).toEqual([]);
  });
});

describe('rules', () => {
  const cases: readonly (readonly [RuleSpecification, RegExp])[] = [
    [
      { family: 4, priority: 100, fwmark: table, invert: true, table },
      /^100:\tnot from all fwmark 0xca6c lookup 51820/m,
    ],
    [
      { family: 6, priority: 100, fwmark: table, invert: true, table },
      /^100:\tnot from all fwmark 0xca6c lookup 51820/m,
    ],
    [
      { family: 4, priority: 99, suppressPrefixLength: 0 },
      /^99:\tfrom all lookup main suppress_prefixlength 0/m,
    ],
    [
      { family: 4, priority: 98, fwmark: 1, fwmarkMask: 255, table: 7 },
      /^98:\tfrom all fwmark 0x1\/0xff lookup 7/m,
    ],
    [
      { family: 4, priority: 97, source: '10.0.0.0/8', destination: '192.0.2.0/24', table: 7 },
      /^97:\tfrom 10\.0\.0\.0\/8 to 192\.0\.2\.0\/24 lookup 7/m,
    ],
    [{ family: 6, priority: 97, source: '2001:db8::/32', table: 7 }, /^97:\tfrom 2001:db8::\/32 lookup 7/m],
  ];

  test.each(cases)('%o comes and goes once', async (rule, shown) => {
    const before = rules(rule.family);
    ruleAdd(rule);
    expect(await ip(rule.family === 4 ? '-4' : '-6', 'rule')).toMatch(shown);
    expect(rules(rule.family)).toHaveLength(before.length + 1);
    expect(() => {
      ruleAdd(rule);
    }).toThrow(refusal('EXISTS'));
    ruleRemove(rule);
    expect(rules(rule.family)).toEqual(before);
    expect(() => {
      ruleRemove(rule);
    }).toThrow(refusal('NOT_FOUND'));
  });

  test('that only resemble the one to remove stay', () => {
    const rule: RuleSpecification = { family: 4, priority: 100, table };
    const marked: RuleSpecification = { ...rule, fwmark: 5 };
    ruleAdd(marked);
    expect(() => {
      ruleRemove(rule);
    }).toThrow(refusal('NOT_FOUND'));
    ruleAdd(rule);
    expect(() => {
      ruleRemove(rule);
    }).toThrow(refusal('INVALID'));
    expect(rules(4).filter(({ priority }) => priority === 100)).toHaveLength(2);
    ruleRemove(marked);
    ruleRemove(rule);
    expect(rules(4).some(({ priority }) => priority === 100)).toBe(false);
  });

  test.each<RuleSpecification>([
    { family: 4, priority: 0 },
    { family: 4, priority: 1, fwmarkMask: 1 },
    { family: 4, priority: 1, fwmark: 0 },
    { family: 4, priority: 1, fwmark: 2 ** 32 },
    { family: 4, priority: 1, table: 0 },
    { family: 4, priority: 1, source: '2001:db8::/32' },
    { family: 6, priority: 1, destination: '192.0.2.0/24' },
    { family: 4, priority: 1, suppressPrefixLength: 33 },
  ])('are not %o', (rule) => {
    expect(() => {
      ruleAdd(rule);
    }).toThrow(refusal('INVALID'));
  });
});

describe('NetworkMonitor', () => {
  test('tells once of a burst, and again of the next change', async () => {
    let calls = 0;
    const monitor = native().NetworkMonitor.start(() => {
      calls += 1;
    });
    try {
      await sleep(100);
      expect(calls).toBe(0);
      linkSet(index, { up: true });
      addressAdd(index, '192.0.2.1/24');
      routeAdd({ destination: '198.51.100.0/24', interfaceIndex: index, table: 254, kind: 'unicast' });
      await waitUntil('a call', () => calls > 0);
      // IPv6 sends its own news a little later.
      await sleep(300);
      const burst = calls;
      expect(burst).toBeLessThanOrEqual(3);
      addressRemove(index, '192.0.2.1/24');
      await waitUntil('another call', () => calls > burst);
    } finally {
      monitor.stop();
    }
    const final = calls;
    linkSet(index, { up: false });
    await sleep(200);
    expect(calls).toBe(final);
    monitor.stop();
  });

  test('tells while changes go on', async () => {
    let calls = 0;
    const monitor = native().NetworkMonitor.start(() => {
      calls += 1;
    });
    for (let round = 0; round < 50; round += 1) {
      linkSet(index, { mtu: 1300 + round });
      await sleep(20);
    }
    monitor.stop();
    expect(calls).toBeGreaterThanOrEqual(3);
    expect(calls).toBeLessThan(12);
  });
});
