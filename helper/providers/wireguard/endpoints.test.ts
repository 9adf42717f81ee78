import { describe, expect, it } from 'vitest';
import { formatEndpoint, keptAddress, nextAddress, reachable } from './endpoints.ts';

describe('formatEndpoint', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1:51820'],
    ['2001:db8::1', '[2001:db8::1]:51820'],
  ])('writes %s as %s', (address, endpoint) => {
    expect(formatEndpoint(address, 51820)).toBe(endpoint);
  });
});

describe('nextAddress', () => {
  it.each([
    [['a', 'b', 'c'], null, 'a'],
    [['a', 'b', 'c'], 'a', 'b'],
    [['a', 'b', 'c'], 'c', 'a'],
    [['a', 'b', 'c'], 'gone', 'a'],
    [['a'], 'a', 'a'],
  ])('of %j after %s is %s', (addresses, present, next) => {
    expect(nextAddress(addresses, present)).toBe(next);
  });

  it('comes to every address in its turn', () => {
    const addresses = ['192.0.2.1', '2001:db8::1', '192.0.2.2'];
    const seen = new Set<string>();
    addresses.reduce<string | null>((present) => {
      const next = nextAddress(addresses, present);
      seen.add(next);
      return next;
    }, null);
    expect([...seen]).toEqual(addresses);
  });

  it('needs an address', () => {
    expect(() => nextAddress([], null)).toThrow(RangeError);
  });
});

describe('keptAddress', () => {
  it.each([
    [['a', 'b'], null, 'a'],
    [['a', 'b'], 'b', 'b'],
    [['a', 'b'], 'gone', 'a'],
  ])('of %j in place of %s is %s', (addresses, present, kept) => {
    expect(keptAddress(addresses, present)).toBe(kept);
  });
});

describe('reachable', () => {
  const both = ['192.0.2.1', '2001:db8::1'];
  it.each([
    [true, true, both],
    [true, false, ['192.0.2.1']],
    [false, true, ['2001:db8::1']],
    [false, false, both],
  ])('with IPv4 %s and IPv6 %s keeps %j', (supportsIPv4, supportsIPv6, kept) => {
    expect(reachable(both, { supportsIPv4, supportsIPv6 })).toEqual(kept);
  });

  it('keeps the other family when there is nothing else', () => {
    expect(reachable(['192.0.2.1'], { supportsIPv4: false, supportsIPv6: true })).toEqual(['192.0.2.1']);
  });
});
