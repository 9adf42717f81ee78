import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ConnectionError, NetworkSettingsError } from '@sallyport/shared/protocol/errors.ts';
import type { StopReason } from '@sallyport/shared/protocol/session.ts';
import { PacketTunnelProvider } from '@sallyport/shared/provider/packet-tunnel-provider.ts';
import { SessionHarness, testConfiguration, testProvider } from '../testing/session-harness.ts';
import { calls, Recorder } from '../testing/recorder.ts';

afterEach(() => {
  calls.length = 0;
});

describe('the life of a provider instance', () => {
  it('[L2, L3] makes a new instance for each start while static state goes on', async () => {
    const harness = new SessionHarness({ [testProvider]: Recorder });
    const { id } = harness.save(testConfiguration());
    const before = Recorder.startCount;
    await harness.connect(id);
    const first = harness.snapshot(id).instance;
    await harness.disconnect(id);
    await harness.connect(id);
    expect(calls).toEqual(['start null 1', 'stop userInitiated', 'start null 1']);
    expect(Recorder.startCount).toBe(before + 2);
    expect(harness.snapshot(id).instance).toBeGreaterThan(first);
    expect(harness.interfaces.made).toHaveLength(2);
    expect(harness.interfaces.alive).toHaveLength(1);
  });

  it('[L3] lets a stopped instance be collected', async () => {
    const references: WeakRef<PacketTunnelProvider>[] = [];
    class Collected extends PacketTunnelProvider {
      readonly ballast = new Uint8Array(1024 * 1024);
      override async startTunnel(): Promise<void> {
        references.push(new WeakRef(this));
        await this.setTunnelNetworkSettings({ tunnelRemoteAddress: null });
      }
      override stopTunnel(): Promise<void> {
        return Promise.resolve();
      }
    }
    const harness = new SessionHarness({ [testProvider]: Collected });
    const { id } = harness.save(testConfiguration());
    await harness.connect(id);
    expect(references[0]?.deref()).toBeInstanceOf(Collected);
    await harness.disconnect(id);
    const { gc } = globalThis;
    if (gc === undefined) throw new Error('Run with --expose-gc: without it this test proves nothing.');
    await vi.waitFor(() => {
      gc();
      expect(references[0]?.deref()).toBeUndefined();
    });
  });

  it('[L4] passes options only when a client gave some, and builds the interface anew either way', async () => {
    const harness = new SessionHarness({ [testProvider]: Recorder });
    const { id } = harness.save(testConfiguration());
    await harness.connect(id, { user: 'x' });
    await harness.disconnect(id);
    await harness.connect(id);
    expect(calls.filter((call) => call.startsWith('start'))).toEqual([
      'start {"user":"x"} 1',
      'start null 1',
    ]);
    expect(harness.interfaces.made.map((device) => device.isClosed)).toEqual([true, false]);
  });

  it('[L2] gives up on a start after its deadline with connectionFailed, and on a stop after its own', async () => {
    class Slow extends PacketTunnelProvider {
      override startTunnel(): Promise<void> {
        return new Promise(() => undefined);
      }
      override stopTunnel(reason: StopReason): Promise<void> {
        calls.push(`stop ${reason}`);
        return new Promise(() => undefined);
      }
    }
    const harness = new SessionHarness({ [testProvider]: Slow }, { deadlines: { start: 30, stop: 30 } });
    const { id } = harness.save(testConfiguration());
    harness.manager.start(id, null, false);
    expect(harness.snapshot(id).status).toBe('connecting');
    await harness.until(id, 'disconnected');
    expect(calls).toEqual(['stop connectionFailed']);
    expect(harness.snapshot(id).lastEnd).toMatchObject({
      reason: 'connectionFailed',
      error: { domain: 'ConnectionError', code: 'serverNotResponding' },
    });
    expect(harness.interfaces.alive).toHaveLength(0);
  });

  it('[L5] fires stopping when a stop is asked and released after stopTunnel, and names what is left running', async () => {
    const order: string[] = [];
    let leftover: NodeJS.Timeout | undefined;
    class Leaky extends PacketTunnelProvider {
      override startTunnel(): Promise<void> {
        leftover = setInterval(() => undefined, 60_000);
        const tidy = setInterval(() => undefined, 60_000);
        this.signals.stopping.addEventListener('abort', () => order.push('stopping'));
        this.signals.released.addEventListener('abort', () => {
          order.push('released');
          clearInterval(tidy);
        });
        return Promise.resolve();
      }
      override async stopTunnel(): Promise<void> {
        order.push('stopTunnel');
        await sleep(5);
        order.push('stopped');
      }
    }
    const harness = new SessionHarness({ [testProvider]: Leaky });
    const { id } = harness.save(testConfiguration());
    await harness.connect(id);
    await harness.disconnect(id);
    expect(order).toEqual(['stopping', 'stopTunnel', 'stopped', 'released']);
    await vi.waitFor(() => {
      const warning = harness.log.find((entry) => entry.level === 'warning');
      expect(warning?.message).toContain('left running after its release: 1 × timer');
      expect(warning?.configurationId).toBe(id);
    });
    clearInterval(leftover);
  });

  it('[L6] ends one session with the typed error that a callback threw, and leaves the other alone', async () => {
    class Faulty extends PacketTunnelProvider {
      override startTunnel(): Promise<void> {
        throw new ConnectionError('authenticationFailed', 'The password is wrong.');
      }
      override stopTunnel(): Promise<void> {
        throw new Error('stop fails too');
      }
    }
    const harness = new SessionHarness({ [testProvider]: Recorder, 'com.example.faulty': Faulty });
    const good = harness.save(testConfiguration());
    const bad = harness.save(testConfiguration({}, { providerBundleIdentifier: 'com.example.faulty' }));
    await harness.connect(good.id);
    harness.manager.start(bad.id, null, false);
    await harness.until(bad.id, 'disconnected');
    expect(harness.snapshot(bad.id).lastEnd).toMatchObject({
      reason: 'authenticationCanceled',
      error: { code: 'authenticationFailed', message: 'The password is wrong.' },
    });
    expect(harness.snapshot(good.id).status).toBe('connected');
    expect(harness.interfaces.alive).toHaveLength(1);
  });

  it('[L9] logs the registrations at each lookup', async () => {
    const harness = new SessionHarness({ [testProvider]: Recorder });
    const { id } = harness.save(testConfiguration());
    await harness.connect(id);
    const other = harness.save(testConfiguration());
    await harness.connect(other.id);
    const lines = harness.log.filter((entry) => entry.category === 'host').map((entry) => entry.message);
    expect(lines).toEqual([
      `Found 1 (0 active) registrations for ${testProvider} (packet-tunnel)`,
      `Found 1 (1 active) registrations for ${testProvider} (packet-tunnel)`,
    ]);
  });

  it('[L10] lets two providers of one extension share state in process', async () => {
    const shared = new Set<string>();
    class Left extends PacketTunnelProvider {
      override startTunnel(): Promise<void> {
        shared.add('left');
        return Promise.resolve();
      }
      override stopTunnel(): Promise<void> {
        return Promise.resolve();
      }
    }
    class Right extends Left {
      override startTunnel(): Promise<void> {
        if (!shared.has('left')) throw new Error('not shared');
        shared.add('right');
        return Promise.resolve();
      }
    }
    const harness = new SessionHarness({ 'com.example.left': Left, 'com.example.right': Right });
    const left = harness.save(testConfiguration({}, { providerBundleIdentifier: 'com.example.left' }));
    const right = harness.save(testConfiguration({}, { providerBundleIdentifier: 'com.example.right' }));
    await harness.connect(left.id);
    await harness.connect(right.id);
    expect([...shared]).toEqual(['left', 'right']);
  });

  it('[L12] ignores and undoes a start that settles after its stop', async () => {
    let late: unknown;
    let resume: () => void = () => undefined;
    class Suspended extends PacketTunnelProvider {
      override async startTunnel(): Promise<void> {
        await new Promise<void>((resolve) => (resume = resolve));
        await this.setTunnelNetworkSettings({ tunnelRemoteAddress: null }).catch(
          (error: unknown) => (late = error),
        );
        await this.attachWireGuard({ privateKeyReference: crypto.randomUUID(), peers: [] });
      }
      override stopTunnel(reason: StopReason): Promise<void> {
        calls.push(`stop ${reason}`);
        return Promise.resolve();
      }
    }
    const harness = new SessionHarness({ [testProvider]: Suspended });
    const { id } = harness.save(testConfiguration());
    harness.manager.start(id, null, false);
    await sleep(5);
    harness.manager.stop(id);
    resume();
    await harness.until(id, 'disconnected');
    await sleep(5);
    expect(calls).toEqual(['stop userInitiated']);
    expect(late).toBeInstanceOf(NetworkSettingsError);
    expect(late).toMatchObject({ code: 'networkSettingsCanceled' });
    expect(harness.applied.size).toBe(0);
    expect(harness.interfaces.alive).toHaveLength(0);
    expect(harness.interfaces.latest.isDeviceRunning).toBe(false);
    expect(harness.history(id)).not.toContain('connected');
  });

  it('[L12] ends once on cancelTunnel, calls stopTunnel(providerFailed) and leaves nothing behind', async () => {
    const running: { provider: Canceling | null } = { provider: null };
    class Canceling extends PacketTunnelProvider {
      override async startTunnel(): Promise<void> {
        keep(this);
        await this.setTunnelNetworkSettings({ tunnelRemoteAddress: null });
      }
      override stopTunnel(reason: StopReason): Promise<void> {
        calls.push(`stop ${reason}`);
        this.cancelTunnel(new Error('inside stopTunnel'));
        return Promise.resolve();
      }
      end(): void {
        this.cancelTunnel(new ConnectionError('serverDead', 'The server went away.'));
        this.cancelTunnel(new Error('again'));
      }
    }
    const keep = (provider: Canceling): void => {
      running.provider = provider;
    };
    const harness = new SessionHarness({ [testProvider]: Canceling });
    const { id } = harness.save(testConfiguration());
    await harness.connect(id);
    if (running.provider === null) throw new Error('The provider did not start.');
    running.provider.end();
    await harness.until(id, 'disconnected');
    expect(calls).toEqual(['stop providerFailed']);
    expect(harness.snapshot(id).lastEnd).toMatchObject({
      reason: 'providerFailed',
      error: { code: 'serverDead' },
    });
    expect(harness.applied.size).toBe(0);
    expect(harness.interfaces.alive).toHaveLength(0);
  });

  it('[L13] records how a session ended for every client, also over a restart', async () => {
    const harness = new SessionHarness({ [testProvider]: Recorder });
    const configuration = harness.save(testConfiguration());
    await harness.connect(configuration.id);
    await harness.disconnect(configuration.id);
    const end = harness.ends.get(configuration.id);
    expect(end).toMatchObject({ reason: 'userInitiated', error: null });
    expect(harness.manager.lastEnd(configuration.id)).toEqual(end);
  });
});
