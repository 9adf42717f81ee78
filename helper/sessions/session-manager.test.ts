import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ConnectionError, NetworkSettingsError, VPNError } from '@sallyport/shared/protocol/errors.ts';
import type { TunnelProviderProtocol } from '@sallyport/shared/protocol/configuration.ts';
import type { JsonObject } from '@sallyport/shared/protocol/json.ts';
import type { StopReason } from '@sallyport/shared/protocol/session.ts';
import type { PacketTunnelNetworkSettings } from '@sallyport/shared/provider/network-settings.ts';
import { PacketTunnelProvider } from '@sallyport/shared/provider/packet-tunnel-provider.ts';
import { SessionHarness, testConfiguration, testProvider } from '../testing/session-harness.ts';

const calls: string[] = [];

afterEach(() => {
  calls.length = 0;
});

/** Notes every callback. */
class Recorder extends PacketTunnelProvider {
  static startCount = 0;
  instanceCount = 0;

  override startTunnel(options: JsonObject | null): Promise<void> {
    Recorder.startCount += 1;
    this.instanceCount += 1;
    calls.push(`start ${JSON.stringify(options)} ${String(this.instanceCount)}`);
    return Promise.resolve();
  }

  override stopTunnel(reason: StopReason): Promise<void> {
    calls.push(`stop ${reason}`);
    return Promise.resolve();
  }

  override configurationChanged(configuration: TunnelProviderProtocol): void {
    calls.push(`changed ${configuration.serverAddress ?? ''}`);
  }

  override handleAppMessage(message: Uint8Array): Promise<Uint8Array | null> {
    const text = new TextDecoder().decode(message);
    if (text === 'throw') throw new Error('I cannot');
    if (text === 'hang') return new Promise(() => undefined);
    if (text === 'large') return Promise.resolve(new Uint8Array(1024 * 1024));
    return Promise.resolve(new TextEncoder().encode(text.toUpperCase()));
  }
}

describe('sessions', () => {
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
    expect(calls.filter((call) => call.startsWith('start'))).toEqual(['start {"user":"x"} 1', 'start null 1']);
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
        await this.setTunnelNetworkSettings({ tunnelRemoteAddress: null }).catch((error: unknown) => (late = error));
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
    let instance: PacketTunnelProvider | null = null;
    class Canceling extends PacketTunnelProvider {
      override async startTunnel(): Promise<void> {
        // eslint-disable-next-line @typescript-eslint/no-this-alias
        instance = this;
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
    const harness = new SessionHarness({ [testProvider]: Canceling });
    const { id } = harness.save(testConfiguration());
    await harness.connect(id);
    const running: unknown = instance;
    if (!(running instanceof Canceling)) throw new Error('The provider did not start.');
    running.end();
    await harness.until(id, 'disconnected');
    expect(calls).toEqual(['stop providerFailed']);
    expect(harness.snapshot(id).lastEnd).toMatchObject({ reason: 'providerFailed', error: { code: 'serverDead' } });
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

  it('[M3] refuses a start that needs routes of another session until the client agrees, then stops the other', async () => {
    class Full extends PacketTunnelProvider {
      static expectedNetworkSettings(): PacketTunnelNetworkSettings {
        return {
          tunnelRemoteAddress: null,
          ipv4: { addresses: ['10.0.0.2/32'], includedRoutes: [{ destination: '0.0.0.0/0' }] },
        };
      }
      override async startTunnel(): Promise<void> {
        await this.setTunnelNetworkSettings(Full.expectedNetworkSettings());
      }
      override stopTunnel(reason: StopReason): Promise<void> {
        calls.push(`stop ${reason}`);
        return Promise.resolve();
      }
    }
    const harness = new SessionHarness({ [testProvider]: Full });
    const first = harness.save(testConfiguration({ name: 'First' }));
    const second = harness.save(testConfiguration({ name: 'Second' }));
    await harness.connect(first.id);
    expect(() => {
      harness.manager.start(second.id, null, false);
    }).toThrow(expect.objectContaining({ code: 'sessionConflict', message: expect.stringContaining('“First”') }));
    expect(harness.snapshot(first.id).status).toBe('connected');
    harness.manager.start(second.id, null, true);
    await harness.until(second.id, 'connected');
    expect(harness.snapshot(first.id).status).toBe('disconnected');
    expect(calls).toEqual(['stop superceded']);
  });

  it('[M3] notices a conflict that only the network settings show', async () => {
    class Split extends PacketTunnelProvider {
      override async startTunnel(): Promise<void> {
        await this.setTunnelNetworkSettings({
          tunnelRemoteAddress: null,
          ipv4: { addresses: ['10.0.0.2/32'], includedRoutes: [{ destination: '10.9.0.0/16' }] },
        });
      }
      override stopTunnel(): Promise<void> {
        return Promise.resolve();
      }
    }
    const harness = new SessionHarness({ [testProvider]: Split });
    const first = harness.save(testConfiguration());
    const second = harness.save(testConfiguration());
    await harness.connect(first.id);
    harness.manager.start(second.id, null, false);
    await harness.until(second.id, 'disconnected');
    expect(harness.snapshot(second.id).lastEnd?.error).toMatchObject({
      code: 'networkSettingsFailed',
      cause: { code: 'sessionConflict' },
    });
    expect(harness.snapshot(first.id).status).toBe('connected');
  });

  it('[M4] raises configurationChanged under a running tunnel and restarts nothing', async () => {
    const harness = new SessionHarness({ [testProvider]: Recorder });
    const configuration = harness.save(testConfiguration());
    await harness.connect(configuration.id);
    const { instance } = harness.snapshot(configuration.id);
    harness.save({
      ...configuration,
      revision: 2,
      protocolConfiguration: { ...configuration.protocolConfiguration, serverAddress: 'vpn.example' },
    });
    await sleep(5);
    expect(calls).toEqual(['start null 1', 'changed vpn.example']);
    expect(harness.snapshot(configuration.id)).toMatchObject({ status: 'connected', instance });
  });

  it('[M6] stops with configurationDisabled and configurationRemoved', async () => {
    const harness = new SessionHarness({ [testProvider]: Recorder });
    const disabled = harness.save(testConfiguration());
    const removed = harness.save(testConfiguration());
    await harness.connect(disabled.id);
    await harness.connect(removed.id);
    harness.save({ ...disabled, isEnabled: false, revision: 2 });
    await harness.until(disabled.id, 'invalid');
    await harness.manager.configurationRemoved(removed.id);
    expect(calls.filter((call) => call.startsWith('stop'))).toEqual([
      'stop configurationDisabled',
      'stop configurationRemoved',
    ]);
    expect(harness.manager.snapshots().map((session) => session.configurationId)).toEqual([disabled.id]);
    expect(() => {
      harness.manager.start(disabled.id, null, false);
    }).toThrow(VPNError);
  });

  it('[M6] lists a configuration whose provider is absent as invalid, refuses it with pluginDisabled, removes it', async () => {
    const harness = new SessionHarness({});
    const { id } = harness.save(testConfiguration());
    expect(harness.snapshot(id).status).toBe('invalid');
    expect(() => {
      harness.manager.start(id, null, false);
    }).toThrow(expect.objectContaining({ code: 'pluginDisabled' }));
    await harness.manager.configurationRemoved(id);
    expect(harness.manager.snapshots()).toEqual([]);

    const activated = new SessionHarness({ [testProvider]: Recorder }, { configurations: [testConfiguration({ id })] });
    await activated.connect(id);
    expect(activated.snapshot(id).status).toBe('connected');
  });

  it('[M7] a settings call that a stop overtook rejects networkSettingsCanceled', async () => {
    let outcome: unknown;
    class Applying extends PacketTunnelProvider {
      override async startTunnel(): Promise<void> {
        await this.setTunnelNetworkSettings({ tunnelRemoteAddress: null }).catch((error: unknown) => {
          outcome = error;
          throw error;
        });
      }
      override stopTunnel(): Promise<void> {
        return Promise.resolve();
      }
    }
    const harness = new SessionHarness({ [testProvider]: Applying });
    let release: () => void = () => undefined;
    harness.beforeApply = () => new Promise((resolve) => (release = resolve));
    const { id } = harness.save(testConfiguration());
    harness.manager.start(id, null, false);
    await sleep(5);
    harness.manager.stop(id);
    release();
    await harness.until(id, 'disconnected');
    await vi.waitFor(() => {
      expect(outcome).toMatchObject({ code: 'networkSettingsCanceled' });
    });
    expect(harness.applied.size).toBe(0);
  });

  it('refuses settings that do not fit their schema and applies nothing', async () => {
    class Wrong extends PacketTunnelProvider {
      override async startTunnel(): Promise<void> {
        await this.setTunnelNetworkSettings({ tunnelRemoteAddress: null, ipv4: { addresses: ['10.0.0.300/24'] } });
      }
      override stopTunnel(): Promise<void> {
        return Promise.resolve();
      }
    }
    const harness = new SessionHarness({ [testProvider]: Wrong });
    const { id } = harness.save(testConfiguration({ retry: true }));
    harness.manager.start(id, null, false);
    await harness.until(id, 'disconnected');
    expect(harness.snapshot(id)).toMatchObject({
      nextAttemptDate: null,
      lastEnd: { reason: 'configurationFailed', error: { code: 'networkSettingsInvalid' } },
    });
  });

  it('[E7] tells apart why a provider message has no answer', async () => {
    const harness = new SessionHarness({ [testProvider]: Recorder });
    const { id } = harness.save(testConfiguration());
    const send = (text: string): Promise<Uint8Array | null> =>
      harness.manager.sendProviderMessage(id, new TextEncoder().encode(text), 30);
    await expect(send('hello')).rejects.toMatchObject({ code: 'sessionNotRunning' });
    await harness.connect(id);
    expect(new TextDecoder().decode((await send('hello')) ?? new Uint8Array())).toBe('HELLO');
    await expect(send('throw')).rejects.toMatchObject({ code: 'providerThrew' });
    await expect(send('hang')).rejects.toMatchObject({ code: 'timedOut' });
    await expect(send('large')).rejects.toMatchObject({ code: 'tooLarge' });
    await expect(
      harness.manager.sendProviderMessage(id, new Uint8Array(600 * 1024), 30),
    ).rejects.toMatchObject({ code: 'tooLarge' });
    expect(harness.snapshot(id).status).toBe('connected');
  });

  it('ends with internalError when the interface cannot be made, and starts nothing', async () => {
    const harness = new SessionHarness({ [testProvider]: Recorder });
    harness.interfaces.failure = new ConnectionError('pluginFailed', 'There is no /dev/net/tun.');
    const { id } = harness.save(testConfiguration());
    harness.manager.start(id, null, false);
    await harness.until(id, 'disconnected');
    expect(calls).toEqual([]);
    expect(harness.snapshot(id).lastEnd).toMatchObject({ reason: 'internalError', error: { code: 'pluginFailed' } });
  });
});
