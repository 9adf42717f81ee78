import { readdirSync, readFileSync } from 'node:fs';
import { interfaceKeys, peerKeys } from '@sallyport/shared/formats/wireguard-conf/conf.ts';
import type { MutationContext } from './mutator.ts';

const folder = new URL('seeds/wireguard-conf/', import.meta.url);

export interface Seed {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The files to start from, by name. */
export const seeds: readonly Seed[] = readdirSync(folder)
  .sort()
  .map((name) => ({ name, bytes: new Uint8Array(readFileSync(new URL(name, folder))) }));

const [first, ...others] = seeds.map(({ bytes }) => bytes);
if (first === undefined) throw new Error('test/fuzz/seeds/wireguard-conf holds no seed.');

export const mutationContext: MutationContext = {
  seeds: [first, ...others],
  tokens: [
    '\n',
    ...[
      '\r',
      '\r\n',
      '\0',
      '\t',
      '\v',
      '\f',
      '\u0085',
      '\u2028',
      '\ufeff',
      '\u202e',
      '\u00a0',
      '\u0430',
      '\u212a',
    ],
    ...[
      '=',
      ' = ',
      ',',
      ', ',
      '#',
      '[',
      ']',
      ':',
      '/',
      '/0',
      '/32',
      '/129',
      '%i',
      '$(id)',
      ';',
      '"',
      "'",
      '\\\n',
    ],
    ...[
      '[Interface]\n',
      '[Peer]\n',
      '\n[Peer]\nPublicKey = ',
      'off',
      'auto',
      'true',
      '0',
      '-1',
      '0x',
      '65536',
    ],
    ...[
      '4294967296',
      '99999999999999999999',
      '::',
      '::ffff:1.2.3.4',
      '0.0.0.0/0',
      '010.0.0.1',
      'fe80::1%eth0',
    ],
    ...['[::1]:1', 'a.example:1', '=\n', '\nPostUp = reboot\n', '\nSaveConfig = true\n', '__proto__ = 1\n'],
    ...[...interfaceKeys, ...peerKeys].map((key) => `\n${key} = `),
  ],
};
