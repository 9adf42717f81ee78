import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AddressSyntaxError,
  cidrSchema,
  contains,
  containsAddress,
  ipAddressSchema,
  isDefaultRoute,
  isMulticast,
  isUnspecified,
  networkOf,
  networkSchema,
  overlaps,
  parseCIDR,
  parseIPAddress,
  unmapped,
} from './cidr.ts';

const cidr4 = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map(([ip, n]) => `${ip}/${String(n)}`);
const ipV6 = fc.ipV6().filter((text) => !new URL(`http://[${text}]/`).hostname.startsWith('[::ffff:'));
const cidr6 = fc.tuple(ipV6, fc.integer({ min: 0, max: 128 })).map(([ip, n]) => `${ip}/${String(n)}`);

describe('parseIPAddress', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['::', '::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['::192.0.2.1', '::c000:201'],
    ['1:2:3:4:5:6:192.0.2.1', '1:2:3:4:5:6:c000:201'],
  ])('reads %s as %s', (text, canonical) => {
    expect(parseIPAddress(text).text).toBe(canonical);
  });

  it.each([
    ['010.0.0.1', /leading zero/],
    ['0x7f.0.0.1', /not an IP address/],
    ['127.1', /not an IP address/],
    ['2130706433', /not an IP address/],
    ['256.0.0.1', /not an IP address/],
    ['1.2.3.4.5', /not an IP address/],
    [' 1.2.3.4', /not an IP address/],
    ['1.2.3.4\n', /not an IP address/],
    ['١.٢.٣.٤', /not an IP address/],
    ['', /not an IP address/],
    ['fe80::1%eth0', /zone/],
    ['::ffff:192.0.2.1', /write it as IPv4/],
    ['::ffff:c000:201', /write it as IPv4/],
    ['64:ff9b::010.0.0.1', /ends in/],
    ['64:ff9b::0x7f.1.1.1', /ends in/],
    ['1:2:3:4:5:6:7:192.0.2.1', /not an IPv6 address/],
    ['1::2::3', /not an IPv6 address/],
    ['12345::', /not an IPv6 address/],
    ['1:2:3:4:5:6:7:8:9', /not an IPv6 address/],
    ['[::1]', /not an IPv6 address/],
    [':'.repeat(10_000), /too long/],
  ])('refuses %j', (text, reason) => {
    expect(() => parseIPAddress(text)).toThrow(AddressSyntaxError);
    expect(() => parseIPAddress(text)).toThrow(reason);
  });

  it('accepts nothing that the system would not, and never throws anything else', () => {
    const nearly = fc.string({
      unit: fc.constantFrom(...Array.from('0123456789abcdefx:./%')),
      maxLength: 45,
    });
    fc.assert(
      fc.property(fc.oneof(nearly, fc.ipV4Extended(), fc.ipV6(), fc.string()), (text) => {
        try {
          expect(isIP(text)).toBe(parseIPAddress(text).family);
        } catch (error) {
          if (!(error instanceof AddressSyntaxError)) throw error;
        }
      }),
    );
  });

  it('writes IPv6 as the URL standard does, and reads it back', () => {
    fc.assert(
      fc.property(ipV6, (text) => {
        const address = parseIPAddress(text);
        expect(`[${address.text}]`).toBe(new URL(`http://[${text}]/`).hostname);
        expect(parseIPAddress(address.text)).toEqual(address);
      }),
    );
  });
});

describe('parseCIDR', () => {
  it('keeps host bits, which networkOf clears', () => {
    expect(parseCIDR('10.200.100.8/24').text).toBe('10.200.100.8/24');
    expect(networkOf('10.200.100.8/24').text).toBe('10.200.100.0/24');
    expect(networkOf('192.0.2.255/31').text).toBe('192.0.2.254/31');
    expect(networkOf('2001:db8:ffff:ffff::1/45').text).toBe('2001:db8:fff8::/45');
    expect(networkOf('203.0.113.7/0').text).toBe('0.0.0.0/0');
  });

  it('takes an address alone only where asked', () => {
    expect(parseCIDR('10.0.0.1', { allowBare: true }).text).toBe('10.0.0.1/32');
    expect(parseCIDR('fd00::1', { allowBare: true }).text).toBe('fd00::1/128');
    expect(() => parseCIDR('10.0.0.1')).toThrow(/no prefix length, such as \/32/);
  });

  it.each([
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/+8',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/255.0.0.0',
    '10.0.0.0/1e1',
    '10.0.0.0 /8',
    '/8',
    '::ffff:0:0/96',
  ])('refuses %s', (text) => {
    expect(() => parseCIDR(text)).toThrow(AddressSyntaxError);
  });
});

describe('comparisons', () => {
  it('knows what contains and overlaps what', () => {
    expect(contains('10.0.0.0/8', '10.1.2.3/32')).toBe(true);
    expect(contains('10.1.2.3/32', '10.0.0.0/8')).toBe(false);
    expect(contains('0.0.0.0/0', '::/0')).toBe(false);
    expect(contains('10.9.9.9/8', '10.1.0.0/16')).toBe(true);
    expect(overlaps('10.1.2.3/32', '10.0.0.0/8')).toBe(true);
    expect(overlaps('10.0.0.0/9', '10.128.0.0/9')).toBe(false);
    expect(overlaps('::/0', '0.0.0.0/0')).toBe(false);
    expect(containsAddress('fd00::/8', 'fd12::1')).toBe(true);
    expect(containsAddress('fd00::/8', 'fe80::1')).toBe(false);
  });

  it('agrees with the BlockList of Node', () => {
    fc.assert(
      fc.property(fc.oneof(cidr4, cidr6), fc.oneof(fc.ipV4(), ipV6), (network, ip) => {
        const { family, address, prefix } = networkOf(network);
        const list = new BlockList();
        list.addSubnet(address.text, prefix, family === 4 ? 'ipv4' : 'ipv6');
        const target = parseIPAddress(ip);
        const expected = target.family === family && list.check(target.text, family === 4 ? 'ipv4' : 'ipv6');
        expect(containsAddress(network, ip)).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('holds: overlap means that one contains the other; a network contains itself', () => {
    fc.assert(
      fc.property(fc.oneof(cidr4, cidr6), fc.oneof(cidr4, cidr6), (a, b) => {
        expect(overlaps(a, b)).toBe(contains(a, b) || contains(b, a));
        expect(overlaps(a, b)).toBe(overlaps(b, a));
        expect(contains(a, networkOf(a))).toBe(true);
        expect(contains(networkOf(a), a)).toBe(true);
        expect(networkOf(networkOf(a))).toEqual(networkOf(a));
      }),
    );
  });

  it('knows special addresses', () => {
    expect(isDefaultRoute('0.0.0.0/0')).toBe(true);
    expect(isDefaultRoute('::/0')).toBe(true);
    expect(isDefaultRoute('0.0.0.0/1')).toBe(false);
    expect(isUnspecified(parseIPAddress('::'))).toBe(true);
    expect(isUnspecified(parseIPAddress('::1'))).toBe(false);
    expect(isMulticast(parseIPAddress('239.1.1.1'))).toBe(true);
    expect(isMulticast(parseIPAddress('240.1.1.1'))).toBe(false);
    expect(isMulticast(parseIPAddress('ff02::1'))).toBe(true);
    expect(unmapped('::ffff:192.0.2.1').text).toBe('192.0.2.1');
    expect(unmapped('::FFFF:C000:201').text).toBe('192.0.2.1');
    expect(unmapped('2001:db8::1').text).toBe('2001:db8::1');
  });
});

describe('schemas', () => {
  it('make the canonical text', () => {
    expect(ipAddressSchema.parse('2001:DB8::0')).toBe('2001:db8::');
    expect(cidrSchema.parse('2001:DB8::1/32')).toBe('2001:db8::1/32');
    expect(networkSchema.parse('2001:DB8::1/32')).toBe('2001:db8::/32');
  });

  it('refuse with the reason', () => {
    const result = cidrSchema.safeParse('010.0.0.1/8');
    expect(result.error?.issues).toHaveLength(1);
    expect(result.error?.issues[0]?.message).toMatch(/leading zero/);
    expect(ipAddressSchema.safeParse('10.0.0.1/8').success).toBe(false);
    expect(networkSchema.safeParse('10.0.0.1').success).toBe(false);
    expect(cidrSchema.safeParse(7).success).toBe(false);
  });
});
