import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SystemdCredentials } from '@sallyport/helper/keychain/key-sealer.ts';
import { Keychain } from '@sallyport/helper/keychain/keychain.ts';
import { nodeArguments } from '@sallyport/helper/node-arguments.ts';
import { Background } from '../rig/background.ts';
import { MissingPrerequisite } from '../rig/missing-prerequisite.ts';
import { run } from '../rig/run.ts';

const hostState = '/var/lib/systemd';
const reference = randomUUID();
const secret = Buffer.from('correct horse battery staple');

describe('the master key under systemd-creds', () => {
  let directory: string;
  let store: string;
  let sealer: SystemdCredentials;
  let log: string[];

  const open = (by: SystemdCredentials | null): Promise<Keychain> =>
    Keychain.open(store, { sealer: by, log: (level, message) => log.push(`${level} ${message}`) });

  beforeAll(async () => {
    const found = await SystemdCredentials.find();
    if (found === null) {
      throw new MissingPrerequisite('The keychain’s tests need systemd-creds: run `apt install systemd`.');
    }
    sealer = found;
    // The machine's own host key stays out of this: a directory of the test lies over its place.
    directory = await mkdtemp(join(tmpdir(), 'sallyport-keychain-'));
    await mkdir(join(directory, 'systemd'));
    await run('mount', ['--bind', join(directory, 'systemd'), hostState]);
  });

  afterAll(async () => {
    await run('umount', [hostState]);
    await rm(directory, { recursive: true, force: true });
  });

  beforeEach(() => {
    store = join(directory, `secrets-${randomUUID()}`);
    log = [];
  });

  test('[K1] is sealed by the best that the machine has, and opens the store again', async () => {
    const keychain = await open(sealer);
    const hasTpm = keychain.protection !== 'hostKey';
    expect(['hostKey', 'tpm', 'tpmAndHostKey']).toContain(keychain.protection);
    expect(log).toEqual([
      hasTpm
        ? expect.stringMatching(/^notice Secrets are sealed with the TPM/)
        : 'notice Secrets are sealed with this computer’s key.',
    ]);
    await keychain.secrets.put(reference, secret);
    const key = keychain.vault().exportKey();
    for (const name of await readdir(store)) {
      const content = await readFile(join(store, name));
      expect(content.includes(key) || content.includes(secret)).toBe(false);
      expect(content.includes(key.toString('base64').slice(0, 40))).toBe(false);
    }
    expect(Buffer.from(await (await open(sealer)).secrets.read(reference))).toEqual(secret);
  });

  test('[K1] is sealed by this computer’s key where the TPM is there and fails', async () => {
    const failing = join(directory, 'systemd-creds');
    const script = '#!/bin/sh\ncase "$*" in *--with-key=auto*) echo "TPM error" >&2; exit 1;; esac\n';
    await writeFile(failing, `${script}exec /usr/bin/systemd-creds "$@"\n`, { mode: 0o755 });
    const keychain = await open(await SystemdCredentials.find([failing]));
    expect(keychain.protection).toBe('hostKey');
    await keychain.secrets.put(reference, secret);
    expect(Buffer.from(await (await open(sealer)).secrets.read(reference))).toEqual(secret);
  });

  test('[K1] that the machine can no longer unseal leaves everything as it is, until it can again', async () => {
    await (await open(sealer)).secrets.put(reference, secret);
    const before = await readFile(join(store, 'master-key'));
    const hostKey = join(hostState, 'credential.secret');
    await rename(hostKey, `${hostKey}.kept`);
    const lost = await open(sealer);
    await expect(lost.secrets.read(reference)).rejects.toMatchObject({ code: 'storeUnreadable' });
    await expect(lost.secrets.read(reference)).rejects.toThrow(
      /master key cannot be opened: .*remove .* as root/,
    );
    expect(lost.protection).toBeNull();
    expect(await readFile(join(store, 'master-key'))).toEqual(before);
    await rename(`${hostKey}.kept`, hostKey);
    expect(Buffer.from(await (await open(sealer)).secrets.read(reference))).toEqual(secret);
  });

  test('[K1] moves from a root-only file under the seal', async () => {
    const plain = await open(null);
    expect(plain.protection).toBe('keyFile');
    await plain.secrets.put(reference, secret);
    const keychain = await open(sealer);
    expect(keychain.protection).not.toBe('keyFile');
    expect(Buffer.from(await keychain.secrets.read(reference))).toEqual(secret);
    const key = keychain.vault().exportKey();
    expect((await readFile(join(store, 'master-key'))).includes(key)).toBe(false);
  });
});

describe('the running helper', () => {
  /** A command without any capability, which the kernel would otherwise take for a reason to refuse or allow. */
  const powerless = ['--bounding-set=-all', '--'];
  const reads = async (path: string): Promise<boolean> =>
    run('setpriv', [...powerless, 'head', '-c', '1', path]).then(
      () => true,
      () => false,
    );

  test('[K2] leaves no core, and its memory is closed to other processes of its uid', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sallyport-'));
    const main = fileURLToPath(new URL('../../helper/main.ts', import.meta.url));
    const place = ['--endpoint', join(directory, 'endpoint.sock'), '--state', join(directory, 'state')];
    const command = [process.execPath, ...nodeArguments, main, '--developer', ...place];
    const ready = { ready: /ready/ };
    try {
      await using helper = await Background.start('setpriv', [...powerless, ...command], ready);
      await using other = await Background.start(
        'setpriv',
        [...powerless, 'sh', '-c', 'echo ready; exec sleep 60'],
        ready,
      );
      const limits = await readFile(`/proc/${String(helper.pid)}/limits`, 'utf8');
      expect(limits).toMatch(/^Max core file size +0 +0 /m);
      for (const file of ['environ', 'maps', 'auxv']) {
        expect(await reads(`/proc/${String(other.pid)}/${file}`)).toBe(true);
        expect(await reads(`/proc/${String(helper.pid)}/${file}`)).toBe(false);
      }
      expect(await reads(`/proc/${String(helper.pid)}/mem`)).toBe(false);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
