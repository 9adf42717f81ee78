import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ConnectionError, VPNError } from '@sallyport/shared/protocol/errors.ts';
import type { JsonObject } from '@sallyport/shared/protocol/json.ts';
import type { StopReason } from '@sallyport/shared/protocol/session.ts';
import type { PacketTunnelNetworkSettings } from '@sallyport/shared/provider/network-settings.ts';
import { PacketTunnelProvider } from '@sallyport/shared/provider/packet-tunnel-provider.ts';
import { SessionHarness, testConfiguration, testProvider } from '../testing/session-harness.ts';
import { calls, Recorder } from '../testing/recorder.ts';

afterEach(() => {
  calls.length = 0;
});

describe('sessions among each other, and their configurations', () => {
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
    }).toThrow(
      expect.objectContaining({ code: 'sessionConflict', message: expect.stringContaining('“First”') }),
    );
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
    expect(harness.snapshot(second.id).lastEnd?.reason).toBe('superceded');
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

  it('[K1] gives a provider what its configuration lists, and nothing once that is another provider’s', async () => {
    let read: (reference: string) => Promise<unknown> = () => Promise.reject(new Error('not started'));
    class Reader extends Recorder {
      override startTunnel(options: JsonObject | null): Promise<void> {
        read = (reference) => this.keychain.secret(reference);
        return super.startTunnel(options);
      }
    }
    const harness = new SessionHarness({ [testProvider]: Reader });
    const [first, second, foreign] = [randomUUID(), randomUUID(), randomUUID()];
    for (const reference of [first, second, foreign]) await harness.secrets.put(reference, Uint8Array.of(1));
    const configuration = harness.save(testConfiguration({ secretReferences: [first] }));
    await harness.connect(configuration.id);
    const missing = { domain: 'ProviderError', code: 'secretNotFound' };
    expect(await read(first)).toEqual(Uint8Array.of(1));
    await expect(read(second)).rejects.toMatchObject(missing);
    harness.save({ ...configuration, revision: 2, secretReferences: [second] });
    expect(await read(second)).toEqual(Uint8Array.of(1));
    await expect(read(first)).rejects.toMatchObject(missing);
    await sleep(5);
    calls.length = 0;
    harness.save({
      ...configuration,
      revision: 3,
      secretReferences: [second, foreign],
      protocolConfiguration: {
        ...configuration.protocolConfiguration,
        providerBundleIdentifier: 'com.example.other',
        passwordReference: foreign,
      },
    });
    await sleep(5);
    for (const reference of [second, foreign]) await expect(read(reference)).rejects.toMatchObject(missing);
    expect(calls.filter((call) => call.startsWith('changed'))).toEqual([]);
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

    const activated = new SessionHarness(
      { [testProvider]: Recorder },
      { configurations: [testConfiguration({ id })] },
    );
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
        await this.setTunnelNetworkSettings({
          tunnelRemoteAddress: null,
          ipv4: { addresses: ['10.0.0.300/24'] },
        });
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
    expect(harness.snapshot(id).lastEnd).toMatchObject({
      reason: 'internalError',
      error: { code: 'pluginFailed' },
    });
  });

  it('[M3] asks nobody to agree to the end of a session that is ending, and waits for it', async () => {
    let finish: () => void = () => undefined;
    class Full extends Recorder {
      static expectedNetworkSettings(): PacketTunnelNetworkSettings {
        return {
          tunnelRemoteAddress: null,
          ipv4: { addresses: ['10.0.0.2/32'], includedRoutes: [{ destination: '0.0.0.0/0' }] },
        };
      }
      override async startTunnel(): Promise<void> {
        await this.setTunnelNetworkSettings(Full.expectedNetworkSettings());
      }
      override stopTunnel(): Promise<void> {
        return new Promise((resolve) => {
          finish = resolve;
        });
      }
    }
    const harness = new SessionHarness({ [testProvider]: Full });
    const first = harness.save(testConfiguration());
    const second = harness.save(testConfiguration());
    await harness.connect(first.id);
    harness.manager.stop(first.id);
    harness.manager.start(second.id, null, false);
    await sleep(5);
    expect(harness.interfaces.made).toHaveLength(1);
    finish();
    await harness.until(second.id, 'connected');
    expect(harness.snapshot(first.id).lastEnd?.reason).toBe('userInitiated');
  });

  it('starts nothing any more once everything stops', async () => {
    const harness = new SessionHarness({ [testProvider]: Recorder });
    const { id } = harness.save(testConfiguration());
    await harness.connect(id);
    await harness.manager.stopAll('none');
    expect(calls).toEqual(['start null 1', 'stop none']);
    expect(() => {
      harness.manager.start(id, null, false);
    }).toThrow(/is stopping/);
  });

  it('[K4] lets a run reach only the secrets that its configuration lists', async () => {
    const reference = randomUUID();
    class Reaching extends Recorder {
      override async startTunnel(): Promise<void> {
        await this.attachWireGuard({
          privateKeyReference: reference,
          peers: [{ publicKey: `${'A'.repeat(43)}=`, allowedIPs: [] }],
        });
      }
    }
    const harness = new SessionHarness({ [testProvider]: Reaching });
    const other = harness.save(testConfiguration());
    harness.manager.start(other.id, null, false);
    await harness.until(other.id, 'disconnected');
    expect(harness.snapshot(other.id).lastEnd?.error).toMatchObject({ code: 'secretNotFound' });
    const own = harness.save(testConfiguration({ secretReferences: [reference] }));
    await harness.connect(own.id);
    expect(harness.interfaces.latest.device?.privateKeyFile).toBe(`/memory/${reference}`);
  });

  it('[K1, K4] gives a provider its own items, and the secrets of its own configuration alone', async () => {
    const reference = randomUUID();
    const seen: unknown[] = [];
    class Keeping extends Recorder {
      override async startTunnel(): Promise<void> {
        seen.push(await this.keychain.getPassword('service', 'account'));
        await this.keychain.setPassword('service', 'account', 'kept');
        seen.push([...(await this.keychain.secret(reference))]);
      }
    }
    const other = 'com.example.other';
    const harness = new SessionHarness({ [testProvider]: Keeping, [other]: Keeping });
    await harness.secrets.put(reference, Uint8Array.of(7));
    const stranger = harness.save(testConfiguration());
    harness.manager.start(stranger.id, null, false);
    await harness.until(stranger.id, 'disconnected');
    expect(harness.snapshot(stranger.id).lastEnd?.error).toMatchObject({ code: 'secretNotFound' });
    await harness.connect(harness.save(testConfiguration({ secretReferences: [reference] })).id);
    const foreign = testConfiguration({ secretReferences: [reference] }, { providerBundleIdentifier: other });
    await harness.connect(harness.save(foreign).id);
    expect(seen).toEqual([null, 'kept', [7], null, [7]]);
  });
});
