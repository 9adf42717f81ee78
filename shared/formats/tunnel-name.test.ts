import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  TunnelNameError,
  nameFromFileName,
  tunnelNameKey,
  tunnelNameProblem,
  tunnelNameSchema,
  validateTunnelName,
} from './tunnel-name.ts';

describe('validateTunnelName', () => {
  it.each(['a', 'Home', 'Büro (Zürich)', '東京 1', '50% faster', 'a.b', 'x'.repeat(64), '🇨🇭 Genève', 'wg0'])(
    'accepts %s',
    (name) => {
      expect(validateTunnelName(name)).toBe(name.normalize('NFC'));
    },
  );

  it.each([
    ['', 'empty'],
    ['../x', 'slash'],
    ['a/../b', 'slash'],
    ['..', 'leadingCharacter'],
    ['.hidden', 'leadingCharacter'],
    ['-rf', 'leadingCharacter'],
    ['\u0301x', 'leadingCharacter'],
    [' x', 'surroundingSpace'],
    ['x ', 'surroundingSpace'],
    ['x\u3000', 'surroundingSpace'],
    [' ', 'surroundingSpace'],
    ['a\nb', 'controlCharacter'],
    ['a\0b', 'controlCharacter'],
    ['a\u001b[31mb', 'controlCharacter'],
    ['a\u007fb', 'controlCharacter'],
    ['a\u0085b', 'controlCharacter'],
    ['a\u2028b', 'controlCharacter'],
    ['a\u202eb', 'invisibleCharacter'],
    ['a\u2066b', 'invisibleCharacter'],
    ['a\u200bb', 'invisibleCharacter'],
    ['a\u200db', 'invisibleCharacter'],
    ['a\ufeffb', 'invisibleCharacter'],
    ['a\u3164b', 'invisibleCharacter'],
    ['a\ufe0f', 'invisibleCharacter'],
    ['a\ud800b', 'malformedText'],
    ['a\uffffb', 'malformedText'],
    ['x'.repeat(65), 'tooLong'],
    ['x'.repeat(300), 'tooLong'],
    ['🦊'.repeat(64), 'tooLong'],
    ['x'.repeat(10_000_000), 'tooLong'],
  ])('refuses %j as %s', (name, code) => {
    expect(tunnelNameProblem(name)?.code).toBe(code);
    expect(() => validateTunnelName(name)).toThrow(TunnelNameError);
    expect(tunnelNameSchema.safeParse(name).success).toBe(false);
  });

  it('stores NFC', () => {
    expect(validateTunnelName('Bu\u0308ro')).toBe('B\u00fcro');
    expect(tunnelNameSchema.parse('Bu\u0308ro')).toBe('B\u00fcro');
  });

  it('never quotes the name', () => {
    expect(() => validateTunnelName('\u001b[31mred')).toThrow(
      'The name contains a control character or line break. Choose another.',
    );
  });

  it('holds for any text: what passes once passes again unchanged and is short', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (name) => {
        const result = tunnelNameSchema.safeParse(name);
        if (!result.success) return;
        expect(validateTunnelName(result.data)).toBe(result.data);
        expect(new TextEncoder().encode(result.data).length).toBeLessThanOrEqual(255);
        expect([...result.data].length).toBeLessThanOrEqual(64);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('tunnelNameKey', () => {
  it.each([
    ['Home', 'home'],
    ['Home', 'Ｈｏｍｅ'],
    ['ﬁle', 'FILE'],
    ['Straße', 'STRASSE'],
    ['ΟΔΟΣ', 'οδος'],
    ['Bu\u0308ro', 'B\u00dcRO'],
    ['a\u00a0b', 'a b'],
  ])('takes %s and %s for the same', (a, b) => {
    expect(tunnelNameKey(a)).toBe(tunnelNameKey(b));
  });

  it('tells others apart', () => {
    expect(tunnelNameKey('Home')).not.toBe(tunnelNameKey('Home 2'));
    expect(tunnelNameKey('STRAẞE')).toBe(tunnelNameKey('strasse'));
    expect(tunnelNameKey('ΟΔΟΣ')).toBe(tunnelNameKey('οδος'));
    expect(tunnelNameKey('Buro')).not.toBe(tunnelNameKey('Büro'));
  });

  it('does not change with case', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 20 }), (name) => {
        expect(tunnelNameKey(tunnelNameKey(name))).toBe(tunnelNameKey(name));
        expect(tunnelNameKey(name.toUpperCase())).toBe(tunnelNameKey(name));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('nameFromFileName', () => {
  it.each([
    ['home.conf', 'home'],
    ['/etc/wireguard/wg0.conf', 'wg0'],
    ['C:\\Users\\me\\Büro.CONF', 'Büro'],
    ['a.b.conf', 'a.b'],
    ['../../x.conf', 'x'],
    ['-rf.conf', 'rf'],
    ['.conf', 'Tunnel'],
    ['', 'Tunnel'],
    ['..', 'Tunnel'],
    ['a\n\u001b[31mb.conf', 'a [31mb'],
    ['a\u202eb.conf', 'a b'],
    ['  my   home .conf', 'my home'],
    [`${'x'.repeat(300)}.conf`, 'x'.repeat(64)],
    [`${'🦊'.repeat(64)}.conf`, '🦊'.repeat(63)],
    ['Bu\u0308ro.conf', 'B\u00fcro'],
  ])('makes of %j %s', (fileName, name) => {
    expect(nameFromFileName(fileName)).toBe(name);
  });

  it('always makes a name that is valid', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme', maxLength: 90 })),
        (fileName) => {
          const name = nameFromFileName(fileName);
          expect(validateTunnelName(name)).toBe(name);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
