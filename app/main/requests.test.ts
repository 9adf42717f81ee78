import { describe, expect, it } from 'vitest';
import { exampleConfiguration, exampleId } from '../testing/examples.ts';
import { MemoryTunnelClient } from '../testing/memory-tunnel-client.ts';
import { Mirror } from './mirror.ts';
import { createRequests } from './requests.ts';

function setUp() {
  const client = new MemoryTunnelClient();
  const mirror = new Mirror(client, () => null, true);
  client.setReachable(true);
  client.put(exampleConfiguration({ name: 'Home', retry: false }, 1));
  client.put(exampleConfiguration({ name: 'Work' }, 2));
  const requests = createRequests(client, mirror, () => Promise.reject(new Error('unused')));
  return { client, mirror, requests };
}

describe('rename', () => {
  it('changes the name alone', async () => {
    const { mirror, requests } = setUp();
    const { name: _before, ...rest } = mirror.configuration(exampleId(1)) ?? exampleConfiguration();
    expect(await requests.rename({ id: exampleId(1), name: 'Haus' })).toEqual({ ok: true, value: null });
    expect(mirror.configuration(exampleId(1))).toMatchObject({
      name: 'Haus',
      retry: rest.retry,
      protocolConfiguration: rest.protocolConfiguration,
      revision: rest.revision + 1,
    });
  });

  it.each([
    ['a/b', 'The name contains a slash. Choose another.'],
    ['', 'The name is empty. Choose another.'],
    ['Work', 'There is already a tunnel named Work. Choose another name.'],
  ])('to %j is refused', async (name, message) => {
    const { requests } = setUp();
    expect(await requests.rename({ id: exampleId(1), name })).toMatchObject({
      ok: false,
      error: { message },
    });
  });

  it('of a tunnel that is gone says so', async () => {
    const { requests } = setUp();
    expect(await requests.rename({ id: exampleId(9), name: 'x' })).toMatchObject({ ok: false });
  });
});

it('hands on what the endpoint answers', async () => {
  const { client, requests } = setUp();
  client.conflicts = true;
  client.setSession(exampleId(2), { status: 'connected' });
  expect(await requests.connect({ id: exampleId(1), supersede: false })).toMatchObject({
    ok: false,
    error: { domain: 'EndpointError', code: 'sessionConflict' },
  });
  expect(await requests.connect({ id: exampleId(1), supersede: true })).toEqual({ ok: true, value: null });
});
