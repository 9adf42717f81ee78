import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../format-error.ts';
import { anyConf } from './arbitrary.ts';
import { formatEndpoint, formatWireGuardConf } from './format.ts';
import { parse, publicKey, withPeer } from './test-support.ts';
import { ValueError } from './values.ts';

describe('formatWireGuardConf', () => {
  it('writes what reads the same again', () => {
    fc.assert(
      fc.property(anyConf, (conf) => {
        const text = formatWireGuardConf(conf);
        expect(parse(text)).toEqual({ ...conf, droppedLines: [] });
        expect(formatWireGuardConf(parse(text))).toBe(text);
      }),
      { numRuns: 300 },
    );
  });

  it('reads the same in any layout', () => {
    const blank = fc.string({ unit: fc.constantFrom(' ', '\t'), maxLength: 3 });
    const end = fc.constantFrom('\n', '\r\n', ' # comment\n', '#\r\n', '\n\n', '\n  # ü\n');
    const layout = fc.record({ before: blank, around: blank, end, upper: fc.boolean() });
    fc.assert(
      fc.property(
        anyConf,
        fc.array(layout, { minLength: 1, maxLength: 8 }),
        fc.boolean(),
        (conf, layouts, mark) => {
          const lines = formatWireGuardConf(conf).split('\n');
          const text = lines.map((line, index) => {
            const { before, around, end, upper } = layouts[index % layouts.length] ?? {};
            const [key = '', value] = line.split(' = ');
            const name = upper === true ? key.toUpperCase() : key.toLowerCase();
            const rest = value === undefined ? '' : `${around ?? ''}=${around ?? ''}${value}${around ?? ''}`;
            return `${before ?? ''}${name}${rest}${end ?? '\n'}`;
          });
          expect(parse((mark ? '\ufeff' : '') + text.join(''))).toEqual({ ...conf, droppedLines: [] });
        },
      ),
    );
  });

  it('keeps lines short', () => {
    const networks = Array.from({ length: 5000 }, (_, index) => `AllowedIPs=2001:db8::${index.toString(16)}`);
    const text = formatWireGuardConf(parse(withPeer(...networks)));
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(1100);
    expect(parse(text).peers[0]?.allowedIPs).toHaveLength(5000);
  });

  it('refuses a value that would add a line', () => {
    const conf = parse(withPeer('Endpoint = a.example:1'));
    const [peer] = conf.peers;
    const endpoint = { host: 'a.example\nPostUp = reboot\n#', port: 1 };
    expect(peer?.publicKey).toBe(publicKey);
    expect(() =>
      formatWireGuardConf({ ...conf, peers: conf.peers.map((one) => ({ ...one, endpoint })) }),
    ).toThrow(ValueError);
    expect(() =>
      formatWireGuardConf({
        ...conf,
        interface: { ...conf.interface, addresses: ['10.0.0.1/8\nPostUp = x'] },
      }),
    ).toThrow(ValueError);
  });

  it('puts brackets around IPv6', () => {
    expect(formatEndpoint({ host: '2001:db8::1', port: 51820 })).toBe('[2001:db8::1]:51820');
    expect(formatEndpoint({ host: 'vpn.example', port: 1 })).toBe('vpn.example:1');
  });
});

describe('any bytes', () => {
  const word = fc.constantFrom(
    ...[
      '[Interface]',
      '[Peer]',
      '\n',
      '\r',
      ' = ',
      ',',
      '#',
      'PrivateKey',
      'Address',
      'AllowedIPs',
      'Endpoint',
    ],
    ...[
      'PostUp',
      'DNS',
      'MTU',
      '10.0.0.1/8',
      '::',
      '[::1]:1',
      'a.example',
      '\u2028',
      'ü',
      '\ufeff',
      publicKey,
    ],
  );
  const wordy = fc
    .array(fc.oneof(word, fc.string({ maxLength: 4 })), { maxLength: 60 })
    .map((words) => words.join(''));

  it('give a configuration or a FormatError, nothing else', () => {
    const bytes = fc.uint8Array({ maxLength: 2000 });
    fc.assert(
      fc.property(fc.oneof(bytes, wordy, wordy.map(withPeer)), fc.boolean(), (input, dropScripts) => {
        try {
          const conf = parse(input, dropScripts);
          expect(parse(formatWireGuardConf(conf))).toEqual({ ...conf, droppedLines: [] });
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
          expect(error.problems.length).toBeGreaterThan(0);
          expect(JSON.parse(JSON.stringify(error))).toMatchObject({
            code: error.code,
            message: error.message,
          });
          expect(error.message).toMatch(/^[^\p{Control}]+$/u);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
