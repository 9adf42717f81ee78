import { describe, expect, it } from 'vitest';
import type { FormatErrorCode } from '../format-error.ts';
import { parseWireGuardConf } from './parse.ts';
import {
  otherKey,
  parse,
  places,
  presharedKey,
  privateKey,
  publicKey,
  refusal,
  withInterface,
  withPeer,
} from './test-support.ts';

const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Uint8Array.from(
    parts.flatMap((part) => (typeof part === 'string' ? [...new TextEncoder().encode(part)] : part)),
  );
const many = (count: number, line: (index: number) => string): string[] =>
  Array.from({ length: count }, (_, index) => line(index));
/** A key of the given number. */
const keyOf = (index: number): string => `${String(index).padStart(42, 'B')}A=`;

describe('what parseWireGuardConf refuses', () => {
  it.each<[string, string | Uint8Array, FormatErrorCode, number | null]>([
    // The bytes
    ['10 MB', new Uint8Array(10_000_000), 'tooLarge', null],
    ['a byte too many', `#${'\n'.repeat(256 * 1024)}`, 'tooLarge', null],
    ['an ELF program', bytes([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]), 'notText', 1],
    ['NUL', withInterface('MTU = 14\u000020'), 'notText', 3],
    ['UTF-16', bytes([0xff, 0xfe], '[\u0000'), 'notText', null],
    ['UTF-16, big endian', bytes([0xfe, 0xff], '\u0000['), 'notText', null],
    ['invalid UTF-8', bytes('[Interface]\n# ', [0xc3, 0x28], '\n'), 'invalidUtf8', 2],
    ['an overlong sequence', bytes('\n\n', [0xc0, 0xaf]), 'invalidUtf8', 3],
    ['an encoded surrogate', bytes([0xed, 0xa0, 0x80]), 'invalidUtf8', 1],
    ['a lone carriage return', withInterface('MTU = 1420\rPostUp = reboot'), 'lineBreak', 3],
    ['two carriage returns', withInterface('MTU = 1420\r\r'), 'lineBreak', 3],
    ['carriage returns alone', withInterface().replaceAll('\n', '\r'), 'lineBreak', 1],
    ['a carriage return at the end', `${withInterface()}# x\r`, 'lineBreak', 5],
    ['a line separator', withInterface('# x\u2028PostUp = reboot'), 'lineBreak', 3],
    ['a paragraph separator', withInterface('# x\u2029PostUp = reboot'), 'lineBreak', 3],
    ['NEL', withInterface('# x\u0085PostUp = reboot'), 'lineBreak', 3],
    ['a vertical tab', withInterface('MTU = 1420\vPostUp = reboot'), 'lineBreak', 3],
    ['a form feed', withInterface('MTU = 1420\fPostUp = reboot'), 'lineBreak', 3],
    ['a terminal escape', withInterface('# \u001b[2J'), 'controlCharacter', 3],
    ['DEL', withInterface('# \u007f'), 'controlCharacter', 3],
    ['a C1 control', withInterface('# \u009b2J'), 'controlCharacter', 3],
    ['a bidirectional control', withInterface('# \u202e0241 = UTM'), 'hiddenCharacter', 3],
    ['a byte-order mark inside', withInterface('\ufeffMTU = 1420'), 'hiddenCharacter', 3],
    ['a long line', withInterface(`# ${'x'.repeat(4095)}`), 'lineTooLong', 3],
    ['a lookalike in a key', withInterface('\u041cTU = 1420'), 'notAscii', 3],
    ['a lookalike in a value', withPeer('Endpoint = ex\u0430mple.com:1'), 'notAscii', 5],
    ['a lookalike of a digit', withInterface('MTU = 142\uff10'), 'notAscii', 3],
    ['a no-break space', withInterface('MTU =\u00a01420'), 'notAscii', 3],
    ['a no-break space before the key', withInterface('\u00a0MTU = 1420'), 'notAscii', 3],
    // The structure
    ['nothing', '', 'missingSection', null],
    ['comments alone', '# nothing\n', 'missingSection', null],
    ['no [Interface]', `[Peer]\nPublicKey = ${publicKey}\n`, 'missingSection', null],
    ['no [Peer]', `[Interface]\nPrivateKey = ${privateKey}\n`, 'missingSection', null],
    ['no PrivateKey', `\n[Interface]\n\n[Peer]\nPublicKey = ${publicKey}\n`, 'missingKey', 2],
    ['no PublicKey', withPeer('[Peer]', 'AllowedIPs = 10.0.0.0/8'), 'missingKey', 5],
    ['a second [Interface]', withPeer('[Interface]', 'Nonsense'), 'duplicateSection', 5],
    ['an unknown section', withPeer('[Peers]', 'Nonsense'), 'unknownSection', 5],
    ['spaces in a header', withPeer('[ Peer ]'), 'unknownSection', 5],
    ['text after a header', withPeer('[Peer] x'), 'unknownSection', 5],
    ['a header that does not end', withPeer('[Peer'), 'unknownSection', 5],
    ['a key before all sections', `MTU = 1420\n${withInterface()}`, 'keyOutsideSection', 1],
    ['a script before all sections', `PostUp = reboot\n${withInterface()}`, 'keyOutsideSection', 1],
    ['a line without =', withInterface('MTU 1420'), 'notASetting', 3],
    ['a line without key', withInterface('= 1420'), 'notASetting', 3],
    ['a comment of INI', withInterface('; MTU = 1420'), 'notASetting', 3],
    ['a space in a key', withInterface('Private Key = x'), 'notASetting', 3],
    ['a continued line', withInterface('Address = 10.0.0.1/8, \\'), 'invalidValue', 3],
    ['an unknown key', withInterface('Jc = 4'), 'unknownKey', 3],
    ['a misspelt key', withInterface('Adress = 10.0.0.1/8'), 'unknownKey', 3],
    ["a peer's key under [Interface]", withInterface('Endpoint = a.example:1'), 'wrongSection', 3],
    ["the interface's key under [Peer]", withPeer('MTU = 1420'), 'wrongSection', 5],
    ['a script under [Peer]', withPeer('PostUp = reboot'), 'wrongSection', 5],
    ['a second PrivateKey', withInterface(`PrivateKey = ${otherKey}`), 'duplicateKey', 3],
    ['a second MTU', withInterface('MTU = 1420', 'mtu = 1420'), 'duplicateKey', 4],
    ['a second Table', withInterface('Table = off', 'Table = auto'), 'duplicateKey', 4],
    ['a second FwMark', withInterface('FwMark = 1', 'FwMark = 2'), 'duplicateKey', 4],
    ['a second ListenPort', withInterface('ListenPort = 1', 'ListenPort = 2'), 'duplicateKey', 4],
    ['a second SaveConfig', withInterface('SaveConfig = false', 'SaveConfig = false'), 'duplicateKey', 4],
    ['a second PublicKey', withPeer(`PublicKey = ${otherKey}`), 'duplicateKey', 5],
    [
      'a second PresharedKey',
      withPeer(`PresharedKey = ${presharedKey}`, `PresharedKey = ${otherKey}`),
      'duplicateKey',
      6,
    ],
    ['a second Endpoint', withPeer('Endpoint = a.example:1', 'Endpoint = b.example:1'), 'duplicateKey', 6],
    [
      'a second PersistentKeepalive',
      withPeer('PersistentKeepalive = 1', 'PersistentKeepalive = 1'),
      'duplicateKey',
      6,
    ],
    // Scripts
    ['PreUp', withInterface('PreUp = true'), 'scriptRefused', 3],
    ['PostUp', withInterface('PostUp = true'), 'scriptRefused', 3],
    ['PreDown', withInterface('PreDown = true'), 'scriptRefused', 3],
    ['PostDown', withInterface('pOSTdOWN = true'), 'scriptRefused', 3],
    ['SaveConfig', withInterface('SaveConfig = true'), 'saveConfigRefused', 3],
    // The values
    ['SaveConfig of neither kind', withInterface('SaveConfig = yes'), 'invalidValue', 3],
    ['no value', withInterface('Address ='), 'missingValue', 3],
    ['no network', withPeer('AllowedIPs ='), 'missingValue', 5],
    ['a value that is a comment', withInterface('MTU = # 1420'), 'missingValue', 3],
    [
      'a PrivateKey of 31 bytes',
      `[Interface]\nPrivateKey = ${privateKey.slice(4)}\n[Peer]\nPublicKey = ${publicKey}`,
      'invalidKeyMaterial',
      2,
    ],
    [
      'a PublicKey with a second spelling',
      withPeer('[Peer]', `PublicKey = ${otherKey.replace('0=', '1=')}`),
      'invalidKeyMaterial',
      6,
    ],
    [
      'a key in URL-safe base64',
      withPeer(`PresharedKey = ${presharedKey.replaceAll('/', '_')}`),
      'invalidKeyMaterial',
      5,
    ],
    ['a key in hexadecimal', withPeer(`PresharedKey = ${'ab'.repeat(32)}`), 'invalidKeyMaterial', 5],
    [
      'a key with a space',
      withPeer(`PresharedKey = ${presharedKey.replace('U', ' ')}`),
      'invalidKeyMaterial',
      5,
    ],
    ['a PresharedKey of zeros', withPeer(`PresharedKey = ${'A'.repeat(43)}=`), 'invalidKeyMaterial', 5],
    ['the PrivateKey as PublicKey', withPeer('[Peer]', `PublicKey = ${privateKey}`), 'reusedKeyMaterial', 6],
    ['the PrivateKey as PresharedKey', withPeer(`PresharedKey = ${privateKey}`), 'reusedKeyMaterial', 5],
    ['the PublicKey as PresharedKey', withPeer(`PresharedKey = ${publicKey}`), 'reusedKeyMaterial', 5],
    ['a peer twice', withPeer('[Peer]', `PublicKey = ${publicKey}`), 'duplicatePeer', 6],
    [
      'a network of two peers',
      withPeer('AllowedIPs = 10.0.0.1/8', '[Peer]', `PublicKey = ${otherKey}`, 'AllowedIPs = 10.0.0.2/8'),
      'duplicateAllowedIPs',
      8,
    ],
    ['an address in octal', withInterface('Address = 010.0.0.1/8'), 'invalidValue', 3],
    ['an address with zone', withInterface('Address = fe80::1%eth0/64'), 'invalidValue', 3],
    ['an address of everything', withInterface('Address = 10.0.0.1/0'), 'invalidValue', 3],
    ['no address at all', withInterface('Address = 0.0.0.0/32'), 'invalidValue', 3],
    ['a multicast address', withInterface('Address = ff02::1/64'), 'invalidValue', 3],
    [
      'an address of nothing but a comma',
      withInterface('Address = 10.0.0.1/8', 'Address = x,'),
      'invalidValue',
      4,
    ],
    ['an option in an address', withInterface('Address = 10.0.0.1/8;eth0'), 'invalidValue', 3],
    ['a DNS server that is none', withInterface('DNS = 1.1.1'), 'invalidValue', 3],
    ['a DNS server with port', withInterface('DNS = 1.1.1.1:53'), 'invalidValue', 3],
    ['DNS as IPv4 in IPv6 form', withInterface('DNS = ::ffff:1.1.1.1'), 'invalidValue', 3],
    ['a search domain that is none', withInterface('DNS = 1.1.1.1, -x.example'), 'invalidValue', 3],
    ['search domains without server', withInterface('DNS = corp.example'), 'invalidValue', 3],
    ['MTU in hexadecimal', withInterface('MTU = 0x578'), 'invalidValue', 3],
    ['MTU too small', withInterface('MTU = 575'), 'invalidValue', 3],
    ['MTU too large', withInterface('MTU = 65536'), 'invalidValue', 3],
    ['MTU too small for IPv6', withInterface('MTU = 1279', 'Address = fd00::1/64'), 'invalidValue', 3],
    ['MTU with unit', withInterface('MTU = 1420 bytes'), 'invalidValue', 3],
    ['a table by name', withInterface('Table = main'), 'invalidValue', 3],
    ['table 0', withInterface('Table = 0'), 'invalidValue', 3],
    ['the local table', withInterface('Table = 255'), 'invalidValue', 3],
    ['a table of 33 bits', withInterface('Table = 4294967296'), 'invalidValue', 3],
    ['a mark of 33 bits', withInterface('FwMark = 0x100000000'), 'invalidValue', 3],
    ['a mark with mask', withInterface('FwMark = 0x1/0xff'), 'invalidValue', 3],
    ['a negative mark', withInterface('FwMark = -1'), 'invalidValue', 3],
    ['a port of 17 bits', withInterface('ListenPort = 65536'), 'invalidValue', 3],
    ['a port with leading zero', withInterface('ListenPort = 051820'), 'invalidValue', 3],
    ['AllowedIPs with an empty entry', withPeer('AllowedIPs = 10.0.0.0/8,'), 'invalidValue', 5],
    ['AllowedIPs with a sign', withPeer('AllowedIPs = +10.0.0.0/8'), 'invalidValue', 5],
    [
      'AllowedIPs with spaces alone between',
      withPeer('AllowedIPs = 10.0.0.0/8 11.0.0.0/8'),
      'invalidValue',
      5,
    ],
    ['AllowedIPs with a netmask', withPeer('AllowedIPs = 10.0.0.0/255.0.0.0'), 'invalidValue', 5],
    ['AllowedIPs as IPv4 in IPv6 form', withPeer('AllowedIPs = ::ffff:0:0/96'), 'invalidValue', 5],
    ['an endpoint without port', withPeer('Endpoint = a.example'), 'invalidValue', 5],
    ['an endpoint with port 0', withPeer('Endpoint = a.example:0'), 'invalidValue', 5],
    ['an endpoint with a named port', withPeer('Endpoint = a.example:http'), 'invalidValue', 5],
    ['an endpoint without host', withPeer('Endpoint = :51820'), 'invalidValue', 5],
    ['an endpoint in IPv6 without brackets', withPeer('Endpoint = 2001:db8::1:51820'), 'invalidValue', 5],
    ['an endpoint in IPv4 with brackets', withPeer('Endpoint = [192.0.2.1]:51820'), 'invalidValue', 5],
    ['an endpoint in octal', withPeer('Endpoint = 0300.0.2.1:51820'), 'invalidValue', 5],
    ['an endpoint in hexadecimal', withPeer('Endpoint = 0xc0000201:51820'), 'invalidValue', 5],
    ['an endpoint with zone', withPeer('Endpoint = [fe80::1%eth0]:51820'), 'invalidValue', 5],
    ['an endpoint of many', withPeer('Endpoint = 255.255.255.255:51820'), 'invalidValue', 5],
    ['an endpoint that is a URL', withPeer('Endpoint = https://a.example:51820'), 'invalidValue', 5],
    ['an endpoint with a shell in it', withPeer('Endpoint = $(reboot):51820'), 'invalidValue', 5],
    ['a keepalive too long', withPeer('PersistentKeepalive = 65536'), 'invalidValue', 5],
    ['a keepalive with a fraction', withPeer('PersistentKeepalive = 2.5'), 'invalidValue', 5],
    // How many
    ['65 addresses', withInterface(...many(65, (i) => `Address = 10.0.0.${String(i)}/8`)), 'tooMany', 3],
    ['17 DNS servers', withInterface(`DNS = ${many(17, (i) => `10.0.0.${String(i)}`).join()}`), 'tooMany', 3],
    [
      '33 search domains',
      withInterface(`DNS = ::1, ${many(33, (i) => `a${String(i)}`).join()}`),
      'tooMany',
      3,
    ],
    ['1,001 peers', withPeer(...many(1000, (i) => `[Peer]\nPublicKey=${keyOf(i)}`)), 'tooMany', 2003],
    ['10,001 AllowedIPs', withPeer(...many(10_001, (i) => `AllowedIPs=f::${i.toString(16)}`)), 'tooMany', 5],
  ])('%s', (_, text, code, line) => {
    const error = refusal(text);
    expect(places(error)).toEqual([[code, line]]);
    expect(error).toMatchObject({ code, line, file: 'home.conf' });
    expect(error.message).toBe(`home.conf${line === null ? '' : `:${String(line)}`}: ${error.reason}`);
    expect(error.reason).toMatch(/^[A-Z[].*[.?]$/u);
  });

  it('takes as much as it says', () => {
    const peers = many(999, (i) => `[Peer]\nPublicKey=${keyOf(i)}`);
    expect(parse(withPeer(...peers)).peers).toHaveLength(1000);
    const networks = many(10_000, (i) => `AllowedIPs=f::${i.toString(16)}`);
    expect(parse(withPeer(...networks)).peers[0]?.allowedIPs).toHaveLength(10_000);
    expect(parse(withInterface(`#${'x'.repeat(4095)}`)).peers).toHaveLength(1);
    expect(parse(withPeer('#'.padEnd(256 * 1024 - withInterface().length, '\n'))).peers).toHaveLength(1);
  });

  it('names both lines of what is there twice', () => {
    expect(refusal(withPeer('[Peer]', `PublicKey = ${publicKey}`)).reason).toContain('line 4');
    expect(
      refusal(withInterface('MTU = 1', 'MTU = 2'))
        .problems.map(({ reason }) => reason)
        .join(),
    ).toContain('line 3');
    expect(refusal(withPeer('[Interface]')).reason).toContain('line 1');
    const twice = withPeer('AllowedIPs = ::/0', '[Peer]', `PublicKey = ${otherKey}`, 'AllowedIPs = ::/0');
    expect(refusal(twice).reason).toBe(
      'AllowedIPs ::/0 already belongs to the peer in line 5. Remove one of them.',
    );
  });

  it.each([
    ['Adress = 10.0.0.1/8', 'Address'],
    ['PrivatKey = x', 'PrivateKey'],
    ['Allowed = x', null],
    ['ListenPrt = 1', 'ListenPort'],
    ['H1 = 1', null],
  ])('guesses what was meant by %s', (line, key) => {
    expect(refusal(withInterface(line)).reason).toMatch(
      key === null ? /no such key/ : `Did you mean ${key}?`,
    );
  });

  it('guesses what was meant by a section', () => {
    expect(refusal(withPeer('[Peers]')).reason).toContain('Did you mean [Peer]?');
    expect(refusal(withPeer('[Server]')).reason).toContain('There are only [Interface] and [Peer].');
  });

  it('says what to do about a script, in the words of the command line', () => {
    expect(refusal(withInterface('MTU = 1420', 'PostUp = reboot')).message).toBe(
      'home.conf:4: PostUp is never run. Remove the line, or import the file without its scripts.',
    );
  });

  it('reports all problems in the order of the lines, and survives JSON', () => {
    const error = refusal(`[Interface]\nMTU = 1\nFoo = 1\nPostUp = x\n[Peer]\nPublicKey = x\n`);
    expect(places(error)).toEqual([
      ['missingKey', 1],
      ['invalidValue', 2],
      ['unknownKey', 3],
      ['scriptRefused', 4],
      ['invalidKeyMaterial', 6],
    ]);
    expect(error.message).toBe('home.conf:1: [Interface] has no PrivateKey. Add it. 4 more problems follow.');
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      file: 'home.conf',
      code: 'missingKey',
      line: 1,
      reason: '[Interface] has no PrivateKey. Add it.',
      message: error.message,
      problems: error.problems,
    });
  });

  it('stops at a hundred problems', () => {
    const error = refusal(withInterface(...many(500, () => 'nonsense')));
    expect(error.problems).toHaveLength(100);
    expect(error.message).toMatch(/ 99 or more problems follow\.$/);
  });

  it('never repeats a key, wherever it stands', () => {
    const canary = 'SECRETcanarySECRETcanarySECRETcanarySECRETc=';
    const lines = [
      '',
      'PrivateKey',
      'PrivateKey ',
      'Address=',
      'DNS=',
      'MTU=',
      'Table=',
      'FwMark=',
      'Foo=',
      'SaveConfig=',
    ];
    for (const line of lines) {
      expect(JSON.stringify(refusal(withInterface(line + canary)))).not.toMatch(/SECRET/);
      expect(JSON.stringify(refusal(withInterface(`${line}x ${canary}`)))).not.toMatch(/SECRET/);
    }
    for (const line of [
      'Endpoint=',
      'AllowedIPs=',
      'PersistentKeepalive=',
      'PresharedKey = x',
      `PublicKey=`,
    ]) {
      expect(JSON.stringify(refusal(withPeer(line + canary)))).not.toMatch(/SECRET/);
    }
  });

  it('makes a hostile file name printable', () => {
    const fileName = `a\n\u001b[31m\u202e${'x'.repeat(300)}.conf`;
    const attempt = (): unknown => parseWireGuardConf(new Uint8Array(), { fileName });
    expect(attempt).toThrow(/^a\\u\{A\}\\u\{1B\}\[31m\\u\{202E\}x{92}…: There is no/);
  });
});
