import { expect, it } from 'vitest';
import { EndpointError } from '@sallyport/shared/protocol/errors.ts';
import { appStateSchema, type AppState } from '../bridge/state.ts';
import { exampleConfiguration, exampleId } from '../testing/examples.ts';
import { MemoryTunnelClient } from '../testing/memory-tunnel-client.ts';
import { Mirror } from './mirror.ts';

function createMirror() {
  const client = new MemoryTunnelClient();
  const mirror = new Mirror(client, () => null, true);
  const states: AppState[] = [];
  mirror.onChange((state) => states.push(appStateSchema.parse(state)));
  return { client, mirror, states };
}

it('knows nothing until the endpoint has spoken', () => {
  expect(createMirror().mirror.state).toEqual({ extension: { state: 'connecting' }, tunnels: [] });
});

it('lists the tunnels by name with their sessions', () => {
  const { client, mirror } = createMirror();
  client.setReachable(true);
  client.put(exampleConfiguration({ name: 'b' }, 1));
  client.put(exampleConfiguration({ name: 'A' }, 2));
  client.setSession(exampleId(1), { status: 'connecting' });
  expect(mirror.state.tunnels.map(({ name, session }) => [name, session?.status])).toEqual([
    ['A', undefined],
    ['b', 'connecting'],
  ]);
});

it('shows no tunnel of a helper that is away, and all of them when it is back', () => {
  const { client, mirror, states } = createMirror();
  client.setReachable(true);
  client.put(exampleConfiguration());
  client.setReachable(false);
  expect(mirror.state.extension).toMatchObject({ state: 'unreachable', packaged: true });
  expect(mirror.state.tunnels).toEqual([]);
  client.setReachable(true);
  expect(mirror.state.tunnels).toHaveLength(1);
  expect(states.map((state) => state.extension.state)).toEqual(['active', 'active', 'unreachable', 'active']);
});

it('forgets a removed tunnel and its session', async () => {
  const { client, mirror } = createMirror();
  client.setReachable(true);
  client.put(exampleConfiguration());
  client.setSession(exampleId(1), { status: 'connected' });
  await client.call('configurations.remove', { id: exampleId(1) });
  client.put(exampleConfiguration());
  expect(mirror.state.tunnels[0]?.session).toBeNull();
});

it('keeps the error with its code', () => {
  const { client, mirror } = createMirror();
  client.fail(new EndpointError('serverNotTrusted', 'Somebody else.'));
  expect(mirror.state.extension).toMatchObject({
    error: { domain: 'EndpointError', code: 'serverNotTrusted' },
  });
});

it('counts for an observer the sessions whose tunnels are not shown', () => {
  const { client, mirror } = createMirror();
  client.role = 'observer';
  client.put(exampleConfiguration({}, 1));
  client.setSession(exampleId(1), { status: 'connected' });
  client.setSession(exampleId(2), { status: 'disconnected' });
  client.reopen();
  expect(mirror.state).toMatchObject({ extension: { role: 'observer', hiddenSessions: 1 } });
});

it('learns a new role when the person tries again', () => {
  const { client, mirror } = createMirror();
  client.role = 'observer';
  client.reopen();
  client.role = 'container';
  client.reopen();
  expect(mirror.state.extension).toMatchObject({ state: 'active', role: 'container', hiddenSessions: 0 });
});
