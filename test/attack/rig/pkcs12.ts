import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../rig/run.ts';

/** A PKCS#12 file of a new EC identity, and the number that is its private key. */
export async function makePkcs12(
  directory: string,
  password: string,
): Promise<{ readonly file: Buffer; readonly scalar: Buffer }> {
  const [key, certificate, file] = ['key.pem', 'certificate.pem', 'identity.p12'].map((name) =>
    join(directory, name),
  );
  if (key === undefined || certificate === undefined || file === undefined)
    throw new Error('Three paths were named.');
  const subject = ['-subj', '/CN=canary', '-days', '2'];
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-keyout', key, '-out', certificate, ...subject],
  ]);
  await run(
    'openssl',
    ['pkcs12', '-export', '-inkey', key, '-in', certificate, '-out', file, '-passout', 'stdin'],
    {
      input: `${password}\n`,
    },
  );
  const text = await run('openssl', ['ec', '-in', key, '-noout', '-text']);
  const digits = /priv:\s*([0-9a-f:\s]+)pub:/.exec(text)?.[1] ?? '';
  const scalar = Buffer.from(digits.replace(/[^0-9a-f]/g, ''), 'hex').subarray(-32);
  if (scalar.length !== 32) throw new Error('openssl printed no private key.');
  return { file: await readFile(file), scalar };
}
