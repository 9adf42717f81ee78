import { readFile } from 'node:fs/promises';
import { beforeEach, expect, it } from 'vitest';
import { methods } from '@sallyport/shared/protocol/methods.ts';
import { EndpointRig, grantRole } from '../testing/endpoint-rig.ts';
import type { MemoryClient } from '../testing/memory-listener.ts';
import { useTemporaryDirectory } from '../testing/temporary-directory.ts';

const password = 'correct-horse-canary';
const directory = useTemporaryDirectory();
let rig: EndpointRig;
let file = '';

beforeEach(async () => {
  rig = await EndpointRig.open(directory.path);
  grantRole(rig.authority, 1000, 'administrator');
  file = await readFile(new URL('../testing/identities/modern.p12', import.meta.url), 'base64');
});

/** The answer, and everything that was logged. */
async function importing(
  data: string,
  secret: string,
): Promise<{ answer: Awaited<ReturnType<MemoryClient['call']>>; log: string }> {
  const client = await rig.client(1000);
  const answer = await client.call('keychain.importIdentity', { data, password: secret });
  return { answer, log: JSON.stringify(rig.logger.recent(1000, 'debug')) };
}

it('[K3] [K2] an identity comes in over the endpoint, and of it only what is public comes back', async () => {
  const { answer, log } = await importing(file, password);
  const { reference, identity } = methods['keychain.importIdentity'].result.parse(answer.result);
  expect(identity.subject).toBe('CN=Ada,O=Example');
  expect(rig.configurations.pending.has(reference, 1000)).toBe(true);
  expect(rig.configurations.pending.has(reference, 1001)).toBe(false);
  for (const secret of [password, file.slice(200, 260)]) {
    expect(JSON.stringify(answer)).not.toContain(secret);
    expect(log).not.toContain(secret);
  }
});

it.each([
  ['wrongPassword', () => file, `${password}-not`],
  ['malformedFile', () => Buffer.from('no such file').toString('base64'), password],
])('[K2] %s names nothing secret in its answer and in the log', async (code, data, secret) => {
  const { answer, log } = await importing(data(), secret);
  expect(answer).toMatchObject({ error: { data: { domain: 'KeychainError', code } } });
  expect(JSON.stringify(answer)).not.toContain('canary');
  expect(log).not.toContain('canary');
  expect(rig.configurations.pending.size).toBe(0);
});
