import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './run.ts';

/** Key types as OpenSSL's `-newkey` and `-pkeyopt` name them. */
export const keyTypes = {
  'RSA 2048': ['rsa:2048'],
  'RSA 4096': ['rsa:4096'],
  'P-256': ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'P-384': ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  'P-521': ['ec', '-pkeyopt', 'ec_paramgen_curve:P-521'],
  Ed25519: ['ed25519'],
  'P-224': ['ec', '-pkeyopt', 'ec_paramgen_curve:P-224'],
} as const;
export type KeyType = keyof typeof keyTypes;

export interface Pair {
  /** Paths of PEM files. */
  readonly key: string;
  readonly certificate: string;
}

/** Makes keys, certificates and PKCS#12 files with the programs that people use, in one folder. */
export class IdentityFiles {
  readonly #folder: string;
  #count = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  path(name: string): string {
    this.#count += 1;
    return join(this.#folder, `${String(this.#count)}-${name}`);
  }

  /** A certificate that signs itself; an authority. */
  async selfSigned(type: KeyType, name: string): Promise<Pair> {
    const pair = { key: this.path('key.pem'), certificate: this.path('certificate.pem') };
    await run('openssl', [
      ...['req', '-x509', '-newkey', ...keyTypes[type], '-nodes', '-subj', name, '-days', '30'],
      ...['-keyout', pair.key, '-out', pair.certificate],
    ]);
    return pair;
  }

  /** A certificate by an authority. @param span `-startdate` and `-enddate` as OpenSSL writes them */
  async issued(
    type: KeyType,
    name: string,
    by: Pair,
    span?: readonly [string, string],
    extensions = 'basicConstraints=CA:FALSE',
  ): Promise<Pair> {
    const pair = { key: this.path('key.pem'), certificate: this.path('certificate.pem') };
    const request = this.path('request.pem');
    await run('openssl', [
      ...['req', '-new', '-newkey', ...keyTypes[type], '-nodes', '-subj', name],
      ...['-keyout', pair.key, '-out', request],
    ]);
    const directory = this.path('ca');
    await mkdir(directory);
    await writeFile(join(directory, 'index'), '');
    const configuration = [
      ...[
        '[ca]',
        'default_ca=d',
        '[d]',
        `database=${join(directory, 'index')}`,
        `new_certs_dir=${directory}`,
      ],
      ...['rand_serial=yes', 'default_md=sha256', 'policy=p', 'x509_extensions=x', 'unique_subject=no'],
      ...['[p]', 'commonName=supplied', 'organizationName=optional', '[x]', extensions, ''],
    ];
    await writeFile(join(directory, 'ca.cnf'), configuration.join('\n'));
    const dates = span === undefined ? ['-days', '30'] : ['-startdate', span[0], '-enddate', span[1]];
    await run('openssl', [
      ...[
        'ca',
        '-batch',
        '-preserveDN',
        '-notext',
        '-config',
        join(directory, 'ca.cnf'),
        '-cert',
        by.certificate,
      ],
      ...['-keyfile', by.key, '-in', request, '-out', pair.certificate, ...dates],
    ]);
    return pair;
  }

  /** `openssl pkcs12 -export`; the words after choose what it holds. */
  async openssl(password: string, words: readonly string[]): Promise<Uint8Array> {
    const output = this.path('openssl.p12');
    await run('openssl', ['pkcs12', '-export', '-out', output, '-password', 'env:P12', ...words], {
      env: { ...process.env, P12: password, LC_ALL: 'C.UTF-8' },
    });
    return new Uint8Array(await readFile(output));
  }

  /** GnuTLS's `certtool --to-p12`. */
  async gnutls(password: string, pair: Pair, words: readonly string[] = []): Promise<Uint8Array> {
    const output = this.path('gnutls.p12');
    await run('certtool', [
      ...['--to-p12', '--outder', '--load-privkey', pair.key, '--load-certificate', pair.certificate],
      ...['--p12-name', 'identity', '--outfile', output, ...words],
      ...(password === '' ? ['--empty-password'] : ['--password', password]),
    ]);
    return new Uint8Array(await readFile(output));
  }

  /** NSS's `pk12util -o`, out of a database that takes the identity from a file of OpenSSL's. */
  async nss(password: string, pair: Pair, words: readonly string[] = []): Promise<Uint8Array> {
    const [database, source, output] = [this.path('nss'), this.path('source.p12'), this.path('nss.p12')];
    await mkdir(database);
    const home = `sql:${database}`;
    await writeFile(
      source,
      await this.openssl('x', ['-inkey', pair.key, '-in', pair.certificate, '-name', 'identity']),
    );
    await run('certutil', ['-N', '-d', home, '--empty-password']);
    await run('pk12util', ['-i', source, '-d', home, '-W', 'x']);
    await run('pk12util', ['-o', output, '-d', home, '-n', 'identity', '-W', password, ...words]);
    return new Uint8Array(await readFile(output));
  }
}
