import {
  createHmac,
  createPrivateKey,
  pbkdf2Sync,
  randomUUID,
  sign,
  verify,
  X509Certificate,
} from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeychainError } from '@sallyport/shared/protocol/errors.ts';
import { identityFactsSchema, type IdentityFacts } from '@sallyport/shared/protocol/keychain.ts';
import { decodeIdentity } from '../../helper/keychain/identity-record.ts';
import { readIdentity } from '../../helper/keychain/import-identity.ts';
import { IdentityFiles, type KeyType, type Pair } from '../rig/identity-files.ts';
import { mutate, Random, type MutationContext } from './mutator.ts';

/** As NSS calls it. */
const oldNssCipher = 'PKCS #12 V2 PBE With SHA-1 And 3KEY Triple DES-CBC';
const password = 'canary-correct-horse';
let files: IdentityFiles;
let folder = '';
let authority: Pair;
let leaf: Pair;
let rsaLeaf: Pair;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'identity-import-'));
  files = new IdentityFiles(folder);
  authority = await files.selfSigned('P-256', '/CN=Root');
  leaf = await files.issued('P-256', '/O=Example, Inc/CN=Ada', authority);
  rsaLeaf = await files.issued('RSA 2048', '/CN=Ada', authority);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Reads a file, and shows that its key signs what its certificate verifies. */
async function importing(file: Uint8Array, secret = password): Promise<IdentityFacts> {
  const { record, facts } = await readIdentity(file, secret, Date.now());
  const { privateKey, certificates } = decodeIdentity(record);
  expect(identityFactsSchema.parse(facts)).toEqual(facts);
  expect(certificates).toHaveLength(facts.chainLength);
  const chain = certificates.map((one) => new X509Certificate(one));
  const [own] = chain;
  if (own === undefined) throw new Error('no certificate');
  const key = createPrivateKey({ key: Buffer.from(privateKey), format: 'der', type: 'pkcs8' });
  const text = Buffer.from(randomUUID());
  expect(verify('sha256', text, own.publicKey, sign('sha256', text, key))).toBe(true);
  for (const [index, one] of chain.entries()) {
    const above = chain[index + 1];
    if (above !== undefined) expect(one.verify(above.publicKey)).toBe(true);
  }
  return facts;
}

/** The code of the typed error that a file ends in; anything else that is thrown fails the test. */
async function refusal(file: Uint8Array, secret = password): Promise<string> {
  try {
    await readIdentity(file, secret, Date.now());
  } catch (error) {
    if (!(error instanceof KeychainError)) throw error;
    expect(inspect(error, { depth: 9 })).not.toContain(password);
    return error.code;
  }
  return 'imported';
}

/** A value of DER. */
function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const length = content.byteLength;
  const head = length < 0x80 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}

const pem = (pair: Pair): string[] => ['-inkey', pair.key, '-in', pair.certificate];

describe('[K3] files of OpenSSL', () => {
  it.each<[KeyType, 'rsa' | 'ec', number]>([
    ['RSA 2048', 'rsa', 2048],
    ['RSA 4096', 'rsa', 4096],
    ['P-256', 'ec', 256],
    ['P-384', 'ec', 384],
    ['P-521', 'ec', 521],
  ])('are imported with %s, in today’s form and the old', async (type, keyType, keyBits) => {
    const pair = await files.issued(type, '/O=Example, Inc/CN=Ada', authority);
    for (const words of [[], ['-legacy'], ['-legacy', '-descert']]) {
      const facts = await importing(await files.openssl(password, [...pem(pair), ...words]));
      expect(facts).toMatchObject({ keyType, keyBits, chainLength: 1 });
      expect(facts.subject).toBe(String.raw`CN=Ada,O=Example\, Inc`);
      expect(facts.issuer).toBe('CN=Root');
    }
  });

  it.each([
    ['-keypbe AES-128-CBC -certpbe AES-192-CBC -macalg sha384'],
    ['-macalg sha512 -iter 100000'],
    ['-keypbe NONE -certpbe NONE'],
    ['-keypbe NONE -certpbe NONE -nomac'],
    ['-nomac'],
    ['-nomaciter -noiter'],
    ['-keypbe PBE-SHA1-RC2-128 -certpbe PBE-SHA1-2DES -legacy'],
    ['-keypbe DES-EDE3-CBC -certpbe AES-256-CBC'],
  ])('are imported when made with %s', async (words) => {
    expect(await importing(await files.openssl(password, [...pem(leaf), ...words.split(' ')]))).toMatchObject(
      {
        keyBits: 256,
      },
    );
  });

  it.each(['', 'pässwörd', 'пароль', '密码', '😀 emoji', 'x'.repeat(200)])(
    'are imported with the password %j',
    async (secret) => {
      for (const words of [[], ['-legacy']]) {
        const file = await files.openssl(secret, [...pem(leaf), ...words]);
        await importing(file, secret);
        expect(await refusal(file, `${secret}!`)).toBe('wrongPassword');
      }
    },
  );

  it('are imported with PBMAC1 (RFC 9579), computed here since few programs write it yet', async () => {
    const plain = Buffer.from(await files.openssl(password, [...pem(leaf), '-nomac']));
    const salt = Buffer.from('salt-for-pbmac1');
    // The file is SEQUENCE { 3, SEQUENCE { data, [0] { OCTET STRING } } }, every length in two bytes.
    const content = plain.subarray(30);
    expect(plain.subarray(26, 28).toString('hex')).toBe('0482');
    const prf = der(0x30, Buffer.from('06082a864886f70d02090500', 'hex'));
    const kdf = der(
      0x30,
      Buffer.from('06092a864886f70d01050c', 'hex'),
      der(0x30, der(0x04, salt), Buffer.from('02020800', 'hex'), Buffer.from('020120', 'hex'), prf),
    );
    const algorithm = der(0x30, Buffer.from('06092a864886f70d01050e', 'hex'), der(0x30, kdf, prf));
    const digest = createHmac('sha256', pbkdf2Sync(password, salt, 2048, 32, 'sha256'))
      .update(content)
      .digest();
    const mac = der(0x30, der(0x30, algorithm, der(0x04, digest)), der(0x04, Buffer.from('unused')));
    const file = der(0x30, plain.subarray(4), mac);
    await importing(file);
    expect(await refusal(file, 'another')).toBe('wrongPassword');
    digest.fill(0);
    const forged = der(
      0x30,
      plain.subarray(4),
      der(0x30, der(0x30, algorithm, der(0x04, digest)), der(0x04, salt)),
    );
    expect(await refusal(forged)).toBe('wrongPassword');
  });

  it('give the chain upwards, without what is not in it', async () => {
    const ca = 'basicConstraints=CA:TRUE';
    const middle = await files.issued('P-384', '/CN=Middle', authority, undefined, ca);
    const lower = await files.issued('RSA 2048', '/CN=Lower', middle, undefined, ca);
    const own = await files.issued('P-521', '/CN=Own', lower);
    const more = join(folder, 'more.pem');
    const others = [authority, leaf, lower, middle].map(({ certificate }) => readFile(certificate, 'utf8'));
    await writeFile(more, (await Promise.all(others)).join(''));
    const facts = await importing(await files.openssl(password, [...pem(own), '-certfile', more]));
    expect(facts.chainLength).toBe(4);
    expect(facts.subject).toBe('CN=Own');
  });
});

describe('[K3] files of GnuTLS', () => {
  it.each([
    [''],
    ['--pkcs-cipher=aes-128'],
    ['--pkcs-cipher=aes-192 --hash=SHA512'],
    ['--pkcs-cipher=aes-256 --hash=SHA384'],
    ['--pkcs-cipher=3des'],
    ['--pkcs-cipher=3des-pkcs12'],
    ['--pkcs-cipher=rc2-40'],
  ])('are imported when made with %j', async (words) => {
    for (const pair of [leaf, rsaLeaf]) {
      const file = await files.gnutls(
        password,
        pair,
        words.split(' ').filter((word) => word !== ''),
      );
      await importing(file);
      expect(await refusal(file, 'another')).toBe('wrongPassword');
    }
    await importing(await files.gnutls('', leaf), '');
  });
});

describe('[K3] files of NSS', () => {
  it.each([
    [[]],
    [['-c', 'AES-128-CBC', '-C', 'AES-256-CBC']],
    [['-c', oldNssCipher, '-C', 'PKCS #12 V2 PBE With SHA-1 And 40 Bit RC2 CBC']],
  ])('are imported when made with %j', async (options) => {
    for (const pair of [leaf, rsaLeaf]) {
      const file = await files.nss(password, pair, options);
      await importing(file);
      expect(await refusal(file, 'another')).toBe('wrongPassword');
    }
    await importing(await files.nss('pässwörd', leaf, options), 'pässwörd');
  });
});

describe('[K3] each fault is an error of its own', () => {
  it('without key, without certificate, and with those of others', async () => {
    expect(await refusal(await files.openssl(password, ['-nokeys', '-in', leaf.certificate]))).toBe(
      'noPrivateKey',
    );
    expect(
      await refusal(await files.openssl(password, ['-nocerts', '-inkey', leaf.key, '-in', leaf.key])),
    ).toBe('noCertificate');
  });

  it('out of its time, with its date and subject', async () => {
    const past = await files.issued('P-256', '/CN=Past', authority, ['20200101000000Z', '20210203000000Z']);
    const future = await files.issued('P-256', '/CN=Future', authority, [
      '20900405000000Z',
      '20910101000000Z',
    ]);
    const read = async (pair: Pair): Promise<unknown> =>
      readIdentity(await files.openssl(password, pem(pair)), password, Date.now());
    await expect(read(past)).rejects.toMatchObject({
      code: 'certificateExpired',
      message: expect.stringMatching(/CN=Past expired on 2021-02-03/),
    });
    await expect(read(future)).rejects.toMatchObject({
      code: 'certificateNotYetValid',
      message: expect.stringMatching(/CN=Future is valid from 2090-04-05/),
    });
  });

  it.each<KeyType>(['Ed25519', 'P-224'])('with a key of the type %s', async (type) => {
    const pair = await files.issued(type, '/CN=Ada', authority);
    expect(await refusal(await files.openssl(password, pem(pair)))).toBe('unsupportedAlgorithm');
  });

  it('too much work, or too large', async () => {
    // The MAC and two derivations: 3 × 3.5 million.
    const file = await files.openssl(password, [...pem(leaf), '-iter', '3500000']);
    expect(await refusal(file)).toBe('unsupportedAlgorithm');
    expect(await refusal(new Uint8Array(256 * 1024 + 1))).toBe('tooLarge');
  }, 60_000);

  it('cut short anywhere', async () => {
    for (const file of [await files.openssl(password, pem(leaf)), await files.nss(password, leaf)]) {
      for (let length = 0; length < file.byteLength; length += 16) {
        expect(await refusal(file.subarray(0, length)), `${String(length)} bytes`).toBe('malformedFile');
      }
    }
  }, 60_000);
});

it('[K3] [K2] whatever is changed in a file, it is imported or refused with a typed error', async () => {
  const fast = ['-iter', '1'];
  const seeds = [
    await files.openssl(password, [...pem(leaf), ...fast]),
    await files.openssl(password, [...pem(leaf), ...fast, '-legacy', '-nomac']),
    await files.openssl(password, [...pem(leaf), ...fast, '-keypbe', 'NONE', '-certpbe', 'NONE', '-nomac']),
  ] as const;
  const context: MutationContext = { seeds, tokens: ['\u0030\u0080', '\u0000\u0000', '$'] };
  const random = new Random(7);
  const counts = new Map<string, number>();
  for (let round = 0; round < 6000; round++) {
    const code = await refusal(mutate(random.pick(seeds), random, context));
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  expect(counts.get('malformedFile')).toBeGreaterThan(0);
  expect(counts.get('wrongPassword')).toBeGreaterThan(0);
}, 120_000);
