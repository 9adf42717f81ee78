import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Configuration } from '@sallyport/shared/protocol/configuration.ts';
import { SessionHarness, testConfiguration, testProvider } from '../../testing/session-harness.ts';
import { WireGuardTunnelProvider } from './wireguard-tunnel-provider.ts';

const privateKey = '5f0e6b3c-1d7e-4c51-9f0e-0d2b5b1c7a11';

const [first, second] = [`${'B'.repeat(42)}A=`, `${'C'.repeat(42)}A=`];
const peer = {
  publicKey: first,
  allowedIPs: ['10.0.0.0/8'],
  endpoint: { host: 'vpn.example.com', port: 51820 },
};
const otherPeer = {
  publicKey: second,
  allowedIPs: ['192.168.0.0/16'],
  endpoint: { host: 'other.example.com', port: 1 },
};

let harness: SessionHarness;

beforeEach(() => {
  harness = new SessionHarness({ [testProvider]: WireGuardTunnelProvider });
  harness.hosts.set('vpn.example.com', ['192.0.2.1', '2001:db8::1']);
  harness.hosts.set('other.example.com', ['192.0.2.9']);
});

function configuration(settings: Record<string, unknown> = {}, former?: Configuration): Configuration {
  const made = testConfiguration(
    { secretReferences: [privateKey], ...former },
    {
      providerConfiguration: JSON.parse(
        JSON.stringify({
          privateKey: { secretReference: privateKey },
          addresses: ['10.0.0.2/24'],
          peers: [peer],
          ...settings,
        }),
      ),
    },
  );
  return harness.save(made);
}

/** What the device calls a peer at. */
function endpointOf(publicKey: string): string | undefined {
  return harness.interfaces.latest.device?.peers.find((one) => one.publicKey === publicKey)?.endpoint;
}

const answer = (publicKey = first): void => {
  harness.interfaces.latest.emit({ kind: 'handshake', publicKey, endpoint: '192.0.2.1:51820' });
};
const fail = (publicKey = first): void => {
  harness.interfaces.latest.emit({ kind: 'handshakeFailed', publicKey });
};

/** Starts and waits until the device runs. */
async function begin(settings: Record<string, unknown> = {}): Promise<Configuration> {
  const made = configuration(settings);
  harness.manager.start(made.id, null, false);
  await vi.waitFor(() => {
    expect(harness.interfaces.latest.isDeviceRunning).toBe(true);
    expect(harness.applied.has(made.id)).toBe(true);
  });
  return made;
}

/** Starts and lets the peers answer. */
async function connected(settings: Record<string, unknown> = {}): Promise<Configuration> {
  const made = await begin(settings);
  answer();
  await harness.until(made.id, 'connected');
  return made;
}

describe('starting', () => {
  it('is connected with the first handshake, not before', async () => {
    const { id } = await begin();
    expect(endpointOf(first)).toBe('192.0.2.1:51820');
    await sleep(20);
    expect(harness.snapshot(id).status).toBe('connecting');
    answer();
    await harness.until(id, 'connected');
  });

  it('is connected at once when no peer has an address', async () => {
    const { id } = configuration({ peers: [{ ...peer, endpoint: null }] });
    await harness.connect(id);
    expect(endpointOf(first)).toBeUndefined();
  });

  it('is connected when one of several peers answers', async () => {
    const { id } = await begin({ peers: [peer, otherPeer] });
    answer(second);
    await harness.until(id, 'connected');
  });

  it('misses no handshake that comes before the network is set', async () => {
    const opened = Promise.withResolvers<undefined>();
    harness.beforeApply = () => opened.promise;
    const { id } = configuration();
    harness.manager.start(id, null, false);
    await vi.waitFor(() => {
      expect(harness.interfaces.latest.isDeviceRunning).toBe(true);
    });
    answer();
    await sleep(5);
    expect(harness.snapshot(id).status).toBe('connecting');
    opened.resolve(undefined);
    await harness.until(id, 'connected');
  });

  it('ends when the device fails, also before the network is set', async () => {
    harness.beforeApply = () => new Promise(() => undefined);
    const { id } = configuration();
    harness.manager.start(id, null, false);
    await vi.waitFor(() => {
      expect(harness.interfaces.latest.isDeviceRunning).toBe(true);
    });
    harness.interfaces.latest.emit({ kind: 'failed', message: 'no sockets' });
    await harness.until(id, 'disconnected');
    expect(harness.snapshot(id).lastEnd).toMatchObject({
      reason: 'providerFailed',
      error: { code: 'pluginFailed', message: 'The WireGuard device failed: no sockets. Connect again.' },
    });
  });

  it.each([
    [true, false, '192.0.2.1:51820'],
    [false, true, '[2001:db8::1]:51820'],
  ])('calls the family that the path has: IPv4 %s, IPv6 %s', async (supportsIPv4, supportsIPv6, endpoint) => {
    harness.path = { ...harness.path, supportsIPv4, supportsIPv6 };
    await begin();
    expect(endpointOf(first)).toBe(endpoint);
  });

  it('refuses a configuration that is invalid, with what to do', () => {
    const { id } = configuration({ peers: [] });
    expect(() => {
      harness.manager.start(id, null, false);
    }).toThrow(/configuration is invalid at peers: .*[^.]\. Import it again\./);
  });

  it('waits for a name that cannot be resolved, says so, and leaves no timer when it is stopped', async () => {
    harness.hosts.clear();
    const { id } = configuration();
    harness.manager.start(id, null, false);
    await vi.waitFor(() => {
      expect(harness.snapshot(id).statusReason).toBe(
        'The server name vpn.example.com cannot be resolved yet.',
      );
    });
    harness.manager.stop(id);
    await harness.until(id, 'disconnected');
    expect(harness.interfaces.latest.device).toBeNull();
    await sleep(100);
    expect(harness.log.filter(({ message }) => message.includes('left running'))).toEqual([]);
    expect(harness.snapshot(id).lastEnd).toMatchObject({ reason: 'userInitiated', error: null });
  });

  it('goes on as soon as the name can be resolved', async () => {
    harness.hosts.clear();
    const { id } = configuration();
    harness.manager.start(id, null, false);
    await vi.waitFor(() => {
      expect(harness.snapshot(id).statusReason).not.toBeNull();
    });
    harness.hosts.set('vpn.example.com', ['192.0.2.7']);
    await vi.waitFor(
      () => {
        expect(harness.interfaces.latest.isDeviceRunning).toBe(true);
      },
      { timeout: 4000 },
    );
    expect(endpointOf(first)).toBe('192.0.2.7:51820');
    expect(harness.snapshot(id).statusReason).toBeNull();
  });

  it('goes on with a corrected server name that is saved meanwhile', async () => {
    harness.hosts.delete('vpn.example.com');
    const made = configuration();
    harness.manager.start(made.id, null, false);
    await vi.waitFor(() => {
      expect(harness.snapshot(made.id).statusReason).not.toBeNull();
    });
    configuration({ peers: [{ ...peer, endpoint: otherPeer.endpoint }] }, made);
    await vi.waitFor(
      () => {
        expect(endpointOf(first)).toBe('192.0.2.9:1');
      },
      { timeout: 4000 },
    );
    answer();
    await harness.until(made.id, 'connected');
    expect(harness.snapshot(made.id).instance).toBe(1);
  });
});

describe('a peer that does not answer', () => {
  it('is shown as reasserting until it answers', async () => {
    const { id } = await connected();
    fail();
    await harness.until(id, 'reasserting');
    expect(harness.snapshot(id).statusReason).toBe('The server vpn.example.com does not answer.');
    answer();
    await harness.until(id, 'connected');
    expect(harness.snapshot(id).statusReason).toBeNull();
  });

  it('is not hidden by another that answers', async () => {
    const { id } = await connected({ peers: [peer, otherPeer] });
    fail(second);
    await harness.until(id, 'reasserting');
    answer(first);
    await sleep(5);
    expect(harness.snapshot(id).status).toBe('reasserting');
    answer(second);
    await harness.until(id, 'connected');
  });

  it('is called at the next address, also of the other family, and at those its name has now', async () => {
    await connected();
    for (const endpoint of ['[2001:db8::1]:51820', '192.0.2.1:51820']) {
      fail();
      await vi.waitFor(() => {
        expect(endpointOf(first)).toBe(endpoint);
      });
    }
    harness.hosts.set('vpn.example.com', ['192.0.2.77']);
    fail();
    await vi.waitFor(() => {
      expect(endpointOf(first)).toBe('192.0.2.77:51820');
    });
  });

  it('is called on where it is when its name cannot be resolved, or is an address', async () => {
    const { id } = await connected();
    harness.hosts.clear();
    fail();
    await vi.waitFor(() => {
      expect(harness.snapshot(id).statusReason).toBe('The server name vpn.example.com cannot be resolved.');
    });
    expect(endpointOf(first)).toBe('192.0.2.1:51820');
    await harness.disconnect(id);

    const literal = await connected({ peers: [{ ...peer, endpoint: { host: '2001:db8::5', port: 1 } }] });
    fail();
    await harness.until(literal.id, 'reasserting');
    expect(endpointOf(first)).toBe('[2001:db8::5]:1');
  });

  it('stays where it is when it answers while its name is resolved', async () => {
    const found = Promise.withResolvers<string[]>();
    await connected();
    const { device } = harness.interfaces.latest;
    harness.resolve = () => found.promise;
    fail();
    answer();
    found.resolve(['192.0.2.1', '2001:db8::1']);
    await sleep(5);
    expect(harness.interfaces.latest.device).toEqual(device);
  });

  it('that is not of this configuration changes nothing', async () => {
    const { id } = await connected();
    fail(second);
    await sleep(5);
    expect(harness.snapshot(id).status).toBe('connected');
  });
});

describe('[M4] a configuration saved under the running tunnel', () => {
  it('is applied to device and network without a restart', async () => {
    const made = await connected();
    configuration({ mtu: 1280, listenPort: 5000, peers: [peer, otherPeer] }, made);
    await vi.waitFor(() => {
      expect(harness.applied.get(made.id)?.mtu).toBe(1280);
    });
    expect(harness.interfaces.latest.device).toMatchObject({
      listenPort: 5000,
      peers: [{}, { endpoint: '192.0.2.9:1' }],
    });
    expect(harness.interfaces.made).toHaveLength(1);
    expect(harness.snapshot(made.id)).toMatchObject({ status: 'connected', instance: 1 });
  });

  it('keeps the address at which a server answers', async () => {
    const made = await connected();
    fail();
    await vi.waitFor(() => {
      expect(endpointOf(first)).toBe('[2001:db8::1]:51820');
    });
    answer();
    configuration({ listenPort: 5000 }, made);
    await vi.waitFor(() => {
      expect(harness.interfaces.latest.device?.listenPort).toBe(5000);
    });
    expect(endpointOf(first)).toBe('[2001:db8::1]:51820');
  });

  it('leaves device and network alone when only its name or switches changed', async () => {
    const made = await connected();
    const applies = vi.fn(() => Promise.resolve());
    harness.beforeApply = applies;
    const { device } = harness.interfaces.latest;
    harness.save({ ...made, name: 'Another' });
    await sleep(5);
    expect(applies).not.toHaveBeenCalled();
    expect(harness.interfaces.latest.device).toBe(device);
  });

  it('wins over one saved before, however long that one takes', async () => {
    const made = await connected();
    const opens: (() => void)[] = [];
    harness.beforeApply = () =>
      new Promise((resolve) => {
        opens.push(resolve);
      });
    configuration({ mtu: 1300 }, made);
    await vi.waitFor(() => {
      expect(opens).toHaveLength(1);
    });
    configuration({ mtu: 1310 }, made);
    configuration({ mtu: 1320 }, made);
    await sleep(5);
    opens[0]?.();
    await vi.waitFor(() => {
      expect(opens).toHaveLength(2);
    });
    opens[1]?.();
    await vi.waitFor(() => {
      expect(harness.applied.get(made.id)?.mtu).toBe(1320);
    });
    expect(harness.snapshot(made.id).status).toBe('connected');
  });

  it('ends reasserting for a peer that it no longer has', async () => {
    const made = await connected({ peers: [peer, otherPeer] });
    fail(second);
    await harness.until(made.id, 'reasserting');
    configuration({ peers: [peer] }, made);
    await harness.until(made.id, 'connected');
  });
});

describe('stopping', () => {
  it('closes the device, before and after it answered', async () => {
    const early = await begin();
    harness.manager.stop(early.id);
    await harness.until(early.id, 'disconnected');
    expect(harness.interfaces.latest.isDeviceRunning).toBe(false);
    const late = await connected();
    await harness.disconnect(late.id);
    expect(harness.interfaces.latest.isDeviceRunning).toBe(false);
    expect(harness.interfaces.alive).toEqual([]);
    await sleep(100);
    expect(harness.log.filter(({ level }) => level === 'warning' || level === 'error')).toEqual([]);
  });
});

describe('expectedNetworkSettings', () => {
  it('tells the routes before the start', () => {
    const { protocolConfiguration } = configuration();
    expect(WireGuardTunnelProvider.expectedNetworkSettings(protocolConfiguration).ipv4).toMatchObject({
      includedRoutes: [{ destination: '10.0.0.0/8' }],
    });
  });
});
