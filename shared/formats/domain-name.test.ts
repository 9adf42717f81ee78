import { describe, expect, it } from 'vitest';
import { parseDomainName } from './domain-name.ts';

describe('parseDomainName', () => {
  it.each([
    ['VPN.Example.COM', 'vpn.example.com'],
    ['vpn.example.', 'vpn.example'],
    ['localhost', 'localhost'],
    ['_sip._udp.example', '_sip._udp.example'],
    ['xn--mnchen-3ya.example', 'xn--mnchen-3ya.example'],
    ['1.example', '1.example'],
    [`${'a.'.repeat(126)}a`, `${'a.'.repeat(126)}a`],
    ['a'.repeat(63), 'a'.repeat(63)],
  ])('reads %s', (text, name) => {
    expect(parseDomainName(text)).toBe(name);
  });

  it.each(
    [
      '',
      '.',
      'a..b',
      '.a',
      'a..',
      '-a',
      'a-',
      'a b',
      'a\n',
      'münchen.example',
      'a/b',
      'a:1',
      '\u017f',
      '\u212a',
    ].concat([
      'a'.repeat(64),
      `${'a.'.repeat(126)}aa`,
      '1.2',
      '10',
      '0x7f',
      'a.0x',
      'a.1',
      '*',
      '~.',
      '%i',
      'a,b',
    ]),
  )('refuses %j', (text) => {
    expect(parseDomainName(text)).toBeNull();
  });
});
