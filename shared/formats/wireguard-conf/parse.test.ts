import { describe, expect, it } from 'vitest';
import { FormatError } from '../format-error.ts';
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

describe('parseWireGuardConf', () => {
  it('reads every key that it honours', () => {
    const text = `
# Exported for Zürich 🦊
[Interface] # ours
PrivateKey = ${privateKey}
Address = 10.200.100.8/24, FD00::8/64
Address = 10.10.0.1
DNS = 10.200.100.1, 2001:DB8::53, Corp.Example.
DNS = lab.example
MTU = 1380
Table = 1234
FwMark = 0xCA6C
ListenPort = 51820
SaveConfig = false

[Peer]
PublicKey = ${publicKey}
PresharedKey=${presharedKey}#trailing
AllowedIPs = 10.192.122.3/32,10.192.124.1/24
AllowedIPs = 0.0.0.0/0 , ::/0
Endpoint = Demo.WireGuard.com:51820
PersistentKeepalive = 25

[peer]
PUBLICKEY\t=\t${otherKey}
allowedips = fd00::1
endpoint = [2607:5300:60:6B0:0::C05F:543]:2468
persistentkeepalive = OFF
`;
    expect(parse(text)).toEqual({
      interface: {
        privateKey,
        addresses: ['10.200.100.8/24', 'fd00::8/64', '10.10.0.1/32'],
        dns: { servers: ['10.200.100.1', '2001:db8::53'], searchDomains: ['corp.example', 'lab.example'] },
        mtu: 1380,
        table: 1234,
        fwmark: 0xca6c,
        listenPort: 51820,
      },
      peers: [
        {
          publicKey,
          presharedKey,
          allowedIPs: ['10.192.122.3/32', '10.192.124.0/24', '0.0.0.0/0', '::/0'],
          endpoint: { host: 'demo.wireguard.com', port: 51820 },
          persistentKeepalive: 25,
        },
        {
          publicKey: otherKey,
          presharedKey: null,
          allowedIPs: ['fd00::1/128'],
          endpoint: { host: '2607:5300:60:6b0::c05f:543', port: 2468 },
          persistentKeepalive: null,
        },
      ],
      droppedLines: [],
    });
  });

  it('fills in what a short file leaves out', () => {
    expect(parse(withInterface())).toEqual({
      interface: {
        privateKey,
        addresses: [],
        dns: { servers: [], searchDomains: [] },
        mtu: null,
        table: 'auto',
        fwmark: null,
        listenPort: null,
      },
      peers: [{ publicKey, presharedKey: null, allowedIPs: [], endpoint: null, persistentKeepalive: null }],
      droppedLines: [],
    });
  });

  it('takes off, 0 and what wg-quick separates by spaces', () => {
    const text = withInterface(
      'FwMark = off',
      'ListenPort = 0',
      'Table = off',
      'Address = 10.0.0.1/8 fd00::1/64',
    );
    expect(parse(text).interface).toMatchObject({
      fwmark: null,
      listenPort: null,
      table: 'off',
      addresses: ['10.0.0.1/8', 'fd00::1/64'],
    });
    expect(parse(withPeer('PersistentKeepalive = 0')).peers[0]?.persistentKeepalive).toBeNull();
    expect(parse(withInterface('FwMark = 0x0')).interface.fwmark).toBeNull();
  });

  it('takes a byte-order mark, CRLF, and a last line without an end', () => {
    const expected = parse(withPeer('AllowedIPs = 10.0.0.0/8'));
    const crlf = withPeer('AllowedIPs = 10.0.0.0/8').replaceAll('\n', '\r\n');
    expect(parse(crlf)).toEqual(expected);
    expect(parse(`\ufeff${crlf}\r\n`)).toEqual(expected);
  });

  it('counts a network of one peer once', () => {
    expect(parse(withPeer('AllowedIPs = 10.0.0.1/8, 10.0.0.2/8, 10.0.0.0/16')).peers[0]?.allowedIPs).toEqual([
      '10.0.0.0/8',
      '10.0.0.0/16',
    ]);
  });

  it('lets an endpoint lie inside AllowedIPs, and networks of two peers inside each other', () => {
    const text = withPeer(
      'AllowedIPs = 0.0.0.0/0',
      'Endpoint = 192.0.2.1:51820',
      '[Peer]',
      `PublicKey = ${otherKey}`,
      'AllowedIPs = 10.0.0.0/8',
    );
    expect(parse(text).peers).toHaveLength(2);
  });

  it('leaves scripts out when asked to, and says which', () => {
    const text = withInterface(
      'PostUp = iptables -A FORWARD -i %i -j ACCEPT; echo ü # x',
      'predown =',
      'PostUp = true',
    );
    expect(places(refusal(text))).toEqual([
      ['scriptRefused', 3],
      ['scriptRefused', 4],
      ['scriptRefused', 5],
    ]);
    expect(parse(text, true).droppedLines).toEqual([
      { line: 3, key: 'PostUp' },
      { line: 4, key: 'PreDown' },
      { line: 5, key: 'PostUp' },
    ]);
    expect(JSON.stringify(parse(text, true))).not.toContain('iptables');
  });

  it('reads quickly whatever has the size of a configuration', () => {
    const fill = (line: string): string => line.repeat(Math.floor(250_000 / line.length));
    const fillings = [
      '\n',
      'x\n',
      '[Peer]\n',
      '[Interface]\n',
      'Address=::1\n',
      'DNS=a\n',
      'PostUp=\n',
      `AllowedIPs=${'::,'.repeat(1300)}::\n`,
      `${' '.repeat(4000)}x\n`,
      `MTU=${' '.repeat(4000)}x\n`,
      `Endpoint=${'a.'.repeat(2000)}:1\n`,
      `DNS=${'a-'.repeat(2000)}\n`,
    ];
    for (const filling of fillings) {
      const begin = process.threadCpuUsage();
      for (const text of [withInterface(fill(filling)), withPeer(fill(filling))]) {
        try {
          parse(text);
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
        }
      }
      const { user, system } = process.threadCpuUsage(begin);
      expect((user + system) / 1000, `ms for ${JSON.stringify(filling.slice(0, 20))}`).toBeLessThan(1500);
    }
  });
});
