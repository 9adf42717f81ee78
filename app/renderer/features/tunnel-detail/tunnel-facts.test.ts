import { expect, it } from 'vitest';
import { exampleSession, exampleTunnel, now } from '../../../testing/examples.ts';
import { tunnelFacts } from './tunnel-facts.ts';

const details = { addresses: ['10.0.0.2/24'], dnsServers: [], routes: ['0.0.0.0/0', '::/0'] };
const peer = { publicKey: 'k', endpoint: '198.51.100.7:51820', receivedBytes: 0, sentBytes: 0 };
const session = exampleSession({
  status: 'connected',
  connectedDate: now,
  virtualInterface: { name: 'sp0', index: 4 },
});
const traffic = { receivedBytes: 0, sentBytes: 0, malformedPackets: 0, droppedPackets: 0 };

function asObject(...parameters: Parameters<typeof tunnelFacts>): Record<string, string> {
  return Object.fromEntries(tunnelFacts(...parameters).map(({ label, value }) => [label, value]));
}

it('shows what the file says while nothing runs, and leaves out what it does not', () => {
  expect(asObject(exampleTunnel({ details }), null, now)).toEqual({
    Endpoint: 'vpn.example.net:51820',
    Addresses: '10.0.0.2/24',
    Routes: 'All traffic',
  });
});

it('shows what the device says while it runs', () => {
  const statistics = { ...traffic, peers: [{ ...peer, latestHandshake: now - 42_000 }] };
  expect(asObject(exampleTunnel({ session }), statistics, now)).toEqual({
    Endpoint: '198.51.100.7:51820',
    'Latest handshake': '42 seconds ago',
    Interface: 'sp0',
  });
});

it('does not hide that there was no handshake', () => {
  const statistics = { ...traffic, peers: [{ ...peer, latestHandshake: null }] };
  expect(asObject(exampleTunnel({ session }), statistics, now)['Latest handshake']).toBe('none yet');
});

it('takes the newest handshake of several peers', () => {
  const statistics = {
    ...traffic,
    peers: [
      { ...peer, latestHandshake: now - 90_000 },
      { ...peer, latestHandshake: now - 10_000 },
    ],
  };
  expect(asObject(exampleTunnel({ session }), statistics, now)['Latest handshake']).toBe('10 seconds ago');
});

it('shortens long lists', () => {
  const routes = Array.from({ length: 9 }, (_, index) => `10.${String(index)}.0.0/16`);
  expect(asObject(exampleTunnel({ details: { ...details, routes } }), null, now)['Routes']).toMatch(
    /^10\.0\.0\.0\/16, .* and 3 more$/,
  );
});
