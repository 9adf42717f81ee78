import { readFile, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { run } from '../rig/run.ts';
import { diffSnapshots, snapshotNetwork } from '../rig/snapshot.ts';

const changes: readonly (readonly [what: string, apply: string, undo: string, seen: RegExp])[] = [
  ['a link', 'ip tuntap add dev left mode tun', 'ip link delete left', /^\+ link left tun mtu 1500 down$/m],
  [
    'an address',
    'ip address add 10.9.8.7/24 dev lo',
    'ip address delete 10.9.8.7/24 dev lo',
    /^\+ address lo 10\.9\.8\.7\/24 /m,
  ],
  [
    'a route of another table',
    'ip route add 10.9.9.0/24 dev lo table 51820',
    'ip route delete 10.9.9.0/24 dev lo table 51820',
    /^\+ route .*10\.9\.9\.0\/24.*51820/m,
  ],
  [
    'an IPv6 route',
    'ip -6 route add 2001:db8:9::/64 dev lo',
    'ip -6 route delete 2001:db8:9::/64 dev lo',
    /^\+ route6 .*2001:db8:9::\/64/m,
  ],
  ['a rule', 'ip rule add fwmark 7 table 7', 'ip rule delete fwmark 7 table 7', /^\+ rule .*fwmark 0x7/m],
  ['an IPv6 rule', 'ip -6 rule add fwmark 7 table 7', 'ip -6 rule delete fwmark 7 table 7', /^\+ rule6 /m],
  [
    'a firewall table',
    'nft add table inet left',
    'nft delete table inet left',
    /^\+ nft table inet left \{/m,
  ],
  [
    'a sysctl',
    'echo 1 > /proc/sys/net/ipv4/conf/all/src_valid_mark',
    'echo 0 > /proc/sys/net/ipv4/conf/all/src_valid_mark',
    /^\+ sysctl net\/ipv4\/conf\/all\/src_valid_mark = 1$/m,
  ],
  ['a namespace', 'ip netns add left', 'ip netns delete left', /^\+ netns left$/m],
  ['a file below /run', 'touch /run/left', 'rm /run/left', /^\+ file \/run\/left$/m],
];

test.each(changes)('a snapshot sees %s and its removal', async (_, apply, undo, seen) => {
  const before = await snapshotNetwork();
  await run('sh', ['-c', apply]);
  expect(diffSnapshots(before, await snapshotNetwork()).join('\n')).toMatch(seen);
  await run('sh', ['-c', undo]);
  expect(diffSnapshots(before, await snapshotNetwork())).toEqual([]);
});

test('a snapshot sees a change of resolv.conf', async () => {
  const path = '/etc/resolv.conf';
  const before = await snapshotNetwork();
  const content = await readFile(path, 'utf8');
  await writeFile(path, 'nameserver 10.77.0.1\n');
  expect(diffSnapshots(before, await snapshotNetwork())).toContain(`+ ${path}: nameserver 10.77.0.1`);
  await writeFile(path, content);
  expect(diffSnapshots(before, await snapshotNetwork())).toEqual([]);
});
