import { afterEach, beforeEach, expect, it } from 'vitest';
import { maximumPkcs12Bytes } from '../protocol/keychain.ts';
import { importIdentity } from './import-identity.ts';
import type { ReconnectingClient } from './reconnecting-client.ts';
import { connectClient, type ConnectedClient } from './testing/connected-client.ts';
import type { FakeHelper } from './testing/fake-helper.ts';

let connected: ConnectedClient;
let helper: FakeHelper;
let client: ReconnectingClient;

beforeEach(async () => {
  connected = await connectClient();
  ({ helper, client } = connected);
});
afterEach(() => connected[Symbol.asyncDispose]());

it.each([
  ['a file', new Uint8Array(maximumPkcs12Bytes + 1), 'x'],
  ['a password', new Uint8Array(1), 'x'.repeat(1001)],
])('sends nothing of %s that is too large', async (_what, bytes, password) => {
  helper.endpoint.requests.length = 0;
  await expect(importIdentity(client, bytes, password)).rejects.toMatchObject({
    domain: 'KeychainError',
    code: 'tooLarge',
  });
  expect(helper.endpoint.requests).toEqual([]);
});

it('[K3] passes on the helper’s refusal', async () => {
  await expect(importIdentity(client, Uint8Array.of(1), 'x')).rejects.toMatchObject({
    domain: 'KeychainError',
    code: 'wrongPassword',
  });
});
