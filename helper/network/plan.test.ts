import { describe, expect, it } from 'vitest';
import type { PacketTunnelNetworkSettings } from '@sallyport/shared/provider/network-settings.ts';
import type { Change } from './change.ts';
import { difference, effectiveMtu, planNetwork, type Plan, type PlanContext } from './plan.ts';
import { claimConflict, routeClaims } from './route-claims.ts';
import { routesTo, settingsOf } from './testing.ts';

const context: PlanContext = {
  interface: { name: 'sp7', index: 7 },
  fwmark: 0x5a11_0007,
  table: 0x5a11_0007,
  priority: 16_014,
  physicalMtu: 1500,
  resolver: { resolved: false, resolvConf: true },
  hasIPv6: true,
  strictReversePath: false,
};

function plan(settings: Partial<PacketTunnelNetworkSettings>, changed: Partial<PlanContext> = {}): Plan {
  return planNetwork(settingsOf(settings), { ...context, ...changed });
}

/** A plan in the words of ip(8). */
function words({ changes, shared }: Plan): string[] {
  return [...shared, ...changes].map((change) => {
    switch (change.kind) {
      case 'route':
        return `route ${change.type} ${change.destination} table ${String(change.table)} metric ${String(change.metric)}`;
      case 'rule':
        return `rule -${String(change.family)} ${String(change.priority)} not ${String(change.notFwmark)} lookup ${String(
          change.table,
        )} suppress ${String(change.suppressPrefixLength)}`;
      case 'sysctl':
        return `${change.name}=${change.value}`;
      case 'address':
        return `address ${change.address}`;
      case 'mtu':
        return `mtu ${String(change.mtu)}`;
      default:
        return change.kind;
    }
  });
}

const table = String(context.table);
const ipv4Full = { addresses: ['10.0.0.2/32'], includedRoutes: routesTo('0.0.0.0/0') };
const ipv6Full = { addresses: ['fd00::2/128'], includedRoutes: routesTo('::/0') };
const rules = (family: 4 | 6, mark = context.fwmark): string[] => [
  `rule -${String(family)} 16014 not null lookup 254 suppress 0`,
  `rule -${String(family)} 16015 not ${String(mark)} lookup ${table} suppress null`,
];

describe('planNetwork', () => {
  it('[F1] a full tunnel of both families touches neither the main table nor more than it needs', () => {
    expect(words(plan({ ipv4: ipv4Full, ipv6: ipv6Full }))).toEqual([
      'net/ipv4/conf/all/src_valid_mark=1',
      'net/ipv4/conf/sp7/promote_secondaries=1',
      'net/ipv6/conf/sp7/disable_ipv6=0',
      'mtu 1420',
      'address 10.0.0.2/32',
      'address fd00::2/128',
      'up',
      `route unicast 0.0.0.0/0 table ${table} metric 0`,
      `route unicast ::/0 table ${table} metric 50`,
      ...rules(4),
      ...rules(6),
    ]);
  });

  it('blocks the family that a full tunnel does not carry', () => {
    const blocked = plan({ ipv4: ipv4Full });
    expect(words(blocked)).toContain(`route unreachable ::/0 table ${table} metric 65535`);
    expect(words(blocked)).toEqual(expect.arrayContaining([...rules(4), ...rules(6)]));
    expect(blocked.full).toEqual([4, 6]);
    const other = plan({ ipv6: ipv6Full });
    expect(words(other)).toContain(`route unreachable 0.0.0.0/0 table ${table} metric 65535`);
    expect(other.full).toEqual([4, 6]);
  });

  it('blocks nothing if told so, if the kernel lacks the family, or for a split tunnel', () => {
    const routing = { table: 'auto', fwmark: null, blockOtherFamily: false } as const;
    for (const open of [
      plan({ ipv4: ipv4Full, routing }),
      plan({ ipv4: ipv4Full, ipv6: ipv6Full }, { hasIPv6: false }),
      plan({ ipv4: { addresses: ['10.0.0.2/32'], includedRoutes: routesTo('10.0.0.0/24') } }),
    ]) {
      expect(words(open).join('\n')).not.toMatch(/unreachable|rule -6|::/);
    }
  });

  it('puts split routes into the main table without rules', () => {
    expect(
      words(
        plan({
          ipv4: { addresses: ['10.0.0.2/24'], includedRoutes: routesTo('10.0.0.0/24', '192.0.2.0/24') },
        }),
      ),
    ).toEqual([
      'net/ipv4/conf/sp7/promote_secondaries=1',
      'mtu 1420',
      'address 10.0.0.2/24',
      'up',
      'route unicast 192.0.2.0/24 table 254 metric 0',
    ]);
  });

  it('excludes by holes in the own table', () => {
    const excluded = plan({ ipv4: { ...ipv4Full, excludedRoutes: routesTo('192.0.2.0/24') } });
    expect(words(excluded)).toContain(`route throw 192.0.2.0/24 table ${table} metric 60`);
  });

  it('obeys a table of the configuration’s choosing, and off', () => {
    const numbered = plan({ ipv4: ipv4Full, routing: { table: 1234, fwmark: null, blockOtherFamily: true } });
    expect(words(numbered)).toContain('route unicast 0.0.0.0/0 table 1234 metric 0');
    expect(words(numbered).join('\n')).not.toMatch(/rule|unreachable|src_valid_mark/);
    expect(numbered.full).toEqual([]);
    const off = plan({ ipv4: ipv4Full, routing: { table: 'off', fwmark: null, blockOtherFamily: true } });
    expect(words(off).join('\n')).not.toMatch(/rule|route/);
  });

  it('uses the configuration’s mark', () => {
    const routing = { table: 'auto', fwmark: 51_820, blockOtherFamily: true } as const;
    expect(words(plan({ ipv4: ipv4Full, routing }))).toEqual(expect.arrayContaining(rules(4, 51_820)));
  });

  it('loosens a strict reverse path filter', () => {
    expect(words(plan({ ipv4: ipv4Full }, { strictReversePath: true }))).toContain(
      'net/ipv4/conf/all/rp_filter=2',
    );
  });

  it('gives DNS to resolved, to resolv.conf, or to both', () => {
    const dns = { servers: ['10.0.0.53'] };
    const kinds = (resolver: PlanContext['resolver']): [boolean, boolean] => {
      const { changes, resolvConf } = plan({ ipv4: ipv4Full, dns }, { resolver });
      return [
        changes.some((change) => change.kind === 'resolved' && change.defaultRoute),
        resolvConf !== null,
      ];
    };
    expect(kinds({ resolved: true, resolvConf: false })).toEqual([true, false]);
    expect(kinds({ resolved: false, resolvConf: true })).toEqual([false, true]);
    expect(kinds({ resolved: true, resolvConf: true })).toEqual([true, true]);
  });

  it.each([
    ['an address of the other family', { ipv4: { addresses: ['fd00::1/64'] } }],
    ['a route of the other family', { ipv6: { addresses: [], includedRoutes: routesTo('10.0.0.0/8') } }],
    ['an MTU too small for IPv6', { mtu: 1000, ipv6: ipv6Full }],
    ['the kernel’s table', { routing: { table: 255, fwmark: null, blockOtherFamily: true } as const }],
  ])('refuses %s', (_, settings) => {
    expect(() => plan(settings)).toThrow(expect.objectContaining({ code: 'networkSettingsInvalid' }));
  });
});

describe('effectiveMtu', () => {
  it('[M7] mtu beats tunnelOverheadBytes, and the latter follows the path', () => {
    expect(effectiveMtu({ mtu: 1300, tunnelOverheadBytes: 100 }, 9000)).toBe(1300);
    expect(effectiveMtu({ mtu: null, tunnelOverheadBytes: 100 }, 1500)).toBe(1400);
    expect(effectiveMtu({ mtu: null, tunnelOverheadBytes: 100 }, 1492)).toBe(1392);
    expect(effectiveMtu({ mtu: null, tunnelOverheadBytes: null }, 1500)).toBe(1420);
    expect(effectiveMtu({ mtu: null, tunnelOverheadBytes: null }, null)).toBe(1420);
    expect(effectiveMtu({ mtu: null, tunnelOverheadBytes: null }, 1300)).toBe(1280);
    expect(effectiveMtu(null, 1300)).toBe(1280);
  });
});

describe('difference', () => {
  const link = context.interface;
  const address = (text: string): Change => ({ kind: 'address', interface: link, address: text });
  const mtu = (value: number): Change => ({ kind: 'mtu', interface: link, mtu: value });

  it('[M7] leaves alone what stays, adds before it removes, and removes the newest first', () => {
    const steps = difference(
      [mtu(1420), address('10.0.0.1/32'), address('10.0.0.2/32'), address('10.0.0.3/32')],
      [mtu(1380), address('10.0.0.2/32'), address('10.0.0.4/32')],
    );
    expect(steps).toEqual([
      { do: 'replace', change: mtu(1380), previous: mtu(1420) },
      { do: 'make', change: address('10.0.0.4/32') },
      { do: 'remove', change: address('10.0.0.3/32') },
      { do: 'remove', change: address('10.0.0.1/32') },
    ]);
  });

  it('[M7] a change of DNS alone touches nothing but DNS', () => {
    const resolver = { resolved: true, resolvConf: false };
    const [first, second] = ['10.0.0.53', '10.0.0.54'].map(
      (server) => plan({ ipv4: ipv4Full, dns: { servers: [server] } }, { resolver }).changes,
    );
    expect(difference(first ?? [], second ?? []).map((step) => [step.do, step.change.kind])).toEqual([
      ['replace', 'resolved'],
    ]);
  });
});

describe('routeClaims', () => {
  const claims = (settings: Partial<PacketTunnelNetworkSettings>): string[] =>
    routeClaims(settingsOf(settings));
  const split = (...routes: string[]): string[] =>
    claims({ ipv4: { addresses: [], includedRoutes: routesTo(...routes) } });

  it('[M3] two full tunnels conflict, a blocked family is claimed too', () => {
    expect(claimConflict(claims({ ipv4: ipv4Full }), claims({ ipv4: ipv4Full }))).toBe('0.0.0.0/0');
    expect(claimConflict(claims({ ipv4: ipv4Full }), claims({ ipv6: ipv6Full }))).not.toBe(null);
    expect(claimConflict(claims({ ipv4: ipv4Full }), split('0.0.0.0/1', '128.0.0.0/1'))).toBe('0.0.0.0/0');
  });

  it('[M3] equal routes conflict, nested ones and other tables do not', () => {
    expect(claimConflict(split('10.0.0.0/8'), split('10.0.0.0/8'))).toBe('10.0.0.0/8');
    expect(claimConflict(split('10.0.0.0/8'), split('10.1.0.0/16'))).toBe(null);
    expect(claimConflict(claims({ ipv4: ipv4Full }), split('10.0.0.0/8'))).toBe(null);
    const routing = { table: 1234, fwmark: null, blockOtherFamily: true };
    expect(claimConflict(claims({ ipv4: ipv4Full }), claims({ ipv4: ipv4Full, routing }))).toBe(null);
    expect(claims({ ipv4: ipv4Full, routing: { ...routing, table: 'off' } })).toEqual([]);
  });
});
