import { describe, expect, it, vi } from 'vitest';
import { maximumProviderMessageBytes } from '@sallyport/shared/protocol/limits.ts';
import { invalidPath } from '@sallyport/shared/provider/network-path.ts';
import type { ResolvedNetworkSettings } from '@sallyport/shared/provider/network-settings.ts';
import type { WireGuardSettings } from '@sallyport/shared/provider/wireguard.ts';
import { encodeIdentity } from '../keychain/identity-record.ts';
import { MemoryItemStore, MemorySecretStore } from '../testing/memory-keychain.ts';
import { MemoryVirtualInterface } from '../testing/memory-virtual-interface.ts';
import { testConfiguration } from '../testing/session-harness.ts';
import { RunContext } from './run-context.ts';

const wireGuard: WireGuardSettings = {
  privateKeyReference: '5f0e6b3c-1d7e-4c51-9f0e-0d2b5b1c7a11',
  peers: [{ publicKey: `${'A'.repeat(43)}=`, allowedIPs: [] }],
};

class Rig {
  readonly device = new MemoryVirtualInterface('sp-test', 7);
  readonly reports: unknown[][] = [];
  readonly applied: (ResolvedNetworkSettings | null)[] = [];
  readonly secrets = new MemorySecretStore();
  readonly items = new MemoryItemStore().of('com.example.tunnel');
  path: () => Promise<string> = () => Promise.resolve('/secrets/key');
  apply: () => Promise<void> = () => Promise.resolve();
  readonly context = new RunContext({
    configuration: testConfiguration(),
    device: this.device,
    secrets: { path: () => this.path(), read: (reference) => this.secrets.read(reference) },
    items: this.items,
    network: {
      fwmark: 1,
      mtu: () => 1420,
      apply: async (_device, settings) => {
        await this.apply();
        this.applied.push(settings);
      },
      clear: () => Promise.resolve(),
    },
    reports: {
      canceled: (error) => this.reports.push(['canceled', error]),
      reasserting: (value) => this.reports.push(['reasserting', value]),
      statusReason: (text) => this.reports.push(['statusReason', text]),
      providerMessage: (message) => this.reports.push(['providerMessage', message]),
      displayMessage: (text) => {
        this.reports.push(['displayMessage', text]);
        return Promise.resolve(true);
      },
    },
    path: () => invalidPath,
    resolveHost: (host) => Promise.resolve([host]),
    log: () => undefined,
    call: (callback) => {
      callback();
    },
  });
}

describe('attachWireGuard', () => {
  it('attaches one device at a time, even when two are asked for at once', async () => {
    const { context, device } = new Rig();
    const results = await Promise.allSettled([
      context.attachWireGuard(wireGuard),
      context.attachWireGuard(wireGuard),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    await expect(context.attachWireGuard(wireGuard)).rejects.toMatchObject({ code: 'deviceFailed' });
    expect(device.isDeviceRunning).toBe(true);
    const [first] = results;
    if (first.status === 'fulfilled') await first.value.close();
    await context.attachWireGuard(wireGuard);
  });

  it('[L12] starts no device once a stop was asked, however late the secrets are found', async () => {
    const rig = new Rig();
    const found = Promise.withResolvers<string>();
    rig.path = () => found.promise;
    const attaching = rig.context.attachWireGuard(wireGuard);
    rig.context.stopping();
    await rig.context.close();
    found.resolve('/secrets/key');
    await expect(attaching).rejects.toMatchObject({ domain: 'ProviderError', code: 'stopped' });
    expect(rig.device.device).toBeNull();
    await expect(rig.context.attachWireGuard(wireGuard)).rejects.toMatchObject({ code: 'stopped' });
  });

  it('stops the device with the instance', async () => {
    const { context, device } = new Rig();
    await context.attachWireGuard(wireGuard);
    context.stopping();
    expect(device.isDeviceRunning).toBe(true);
    await context.close();
    expect(device.isDeviceRunning).toBe(false);
  });
});

describe('setTunnelNetworkSettings', () => {
  it('fills in defaults and passes null on', async () => {
    const { context, applied } = new Rig();
    await context.setTunnelNetworkSettings({ tunnelRemoteAddress: null });
    await context.setTunnelNetworkSettings(null);
    expect(applied).toEqual([expect.objectContaining({ mtu: null, routing: expect.anything() }), null]);
  });

  it('refuses what is invalid and says where', async () => {
    const { context, applied } = new Rig();
    const refusal = context.setTunnelNetworkSettings({
      tunnelRemoteAddress: null,
      ipv4: { addresses: ['10.0.0.1'] },
    });
    await expect(refusal).rejects.toMatchObject({
      domain: 'NetworkSettingsError',
      code: 'networkSettingsInvalid',
    });
    await expect(refusal).rejects.toThrow(/ipv4\.addresses\.0/);
    expect(applied).toEqual([]);
  });

  it('[M7] is canceled by a stop, before and while it is applied', async () => {
    const rig = new Rig();
    const applied = Promise.withResolvers<undefined>();
    rig.apply = () => applied.promise;
    const applying = rig.context.setTunnelNetworkSettings(null);
    rig.context.stopping();
    applied.resolve(undefined);
    const canceled = { domain: 'NetworkSettingsError', code: 'networkSettingsCanceled' };
    await expect(applying).rejects.toMatchObject(canceled);
    await expect(rig.context.setTunnelNetworkSettings(null)).rejects.toMatchObject(canceled);
  });
});

describe('the keychain of a provider', () => {
  const passwordReference = '5f0e6b3c-1d7e-4c51-9f0e-0d2b5b1c7a12';
  const identityReference = '5f0e6b3c-1d7e-4c51-9f0e-0d2b5b1c7a13';
  const identity = { privateKey: Uint8Array.of(1, 2), certificates: [Uint8Array.of(3), Uint8Array.of(4)] };

  it('[K1] keeps its own items, and gives the secrets and identities of the configuration as copies', async () => {
    const { context, items, secrets } = new Rig();
    const { keychain } = context;
    await secrets.put(passwordReference, Uint8Array.of(5));
    await secrets.put(identityReference, encodeIdentity(identity));
    await keychain.setPassword('service', 'account', 'password');
    expect(await keychain.getPassword('service', 'account')).toBe('password');
    expect(await keychain.findCredentials('service')).toEqual([{ account: 'account', password: 'password' }]);
    expect(await keychain.deletePassword('service', 'account')).toBe(true);
    expect(await items.getPassword('service', 'account')).toBeNull();
    (await keychain.secret(passwordReference)).fill(0);
    expect(await keychain.secret(passwordReference)).toEqual(Uint8Array.of(5));
    const reading = vi.spyOn(secrets, 'read');
    expect(await keychain.identity(identityReference)).toEqual(identity);
    const [record] = reading.mock.settledResults;
    expect(record?.type === 'fulfilled' && record.value.every((byte) => byte === 0)).toBe(true);
  });

  it('says what a reference is not', async () => {
    const { context, secrets } = new Rig();
    const missing = { domain: 'ProviderError', code: 'secretNotFound' };
    await expect(context.keychain.secret(passwordReference)).rejects.toMatchObject(missing);
    await expect(context.keychain.identity(identityReference)).rejects.toMatchObject(missing);
    await secrets.put(passwordReference, new TextEncoder().encode('a password'));
    await expect(context.keychain.identity(passwordReference)).rejects.toMatchObject({
      domain: 'KeychainError',
      code: 'malformedFile',
    });
  });

  it('works during the stop, and is closed once the instance is released', async () => {
    const { context } = new Rig();
    context.stopping();
    await context.keychain.setPassword('service', 'account', 'last words');
    context.released();
    const closed = { domain: 'ProviderError', code: 'stopped' };
    await expect(context.keychain.getPassword('service', 'account')).rejects.toMatchObject(closed);
    await expect(context.keychain.secret(passwordReference)).rejects.toMatchObject(closed);
  });
});

describe('what a provider reports', () => {
  it('goes out while it runs, cut to what clients accept', async () => {
    const { context, reports } = new Rig();
    context.setReasserting(true);
    expect(context.reasserting()).toBe(true);
    context.setStatusReason('x'.repeat(600));
    context.setStatusReason(null);
    expect(await context.displayMessage('y'.repeat(1100))).toBe(true);
    const message = new Uint8Array(maximumProviderMessageBytes);
    context.sendProviderMessage(message);
    const error = new Error('over');
    context.cancelTunnel(error);
    context.cancelTunnel(undefined);
    expect(reports).toEqual([
      ['reasserting', true],
      ['statusReason', 'x'.repeat(500)],
      ['statusReason', null],
      ['displayMessage', 'y'.repeat(1000)],
      ['providerMessage', message],
      ['canceled', error],
      ['canceled', null],
    ]);
    expect(() => {
      context.sendProviderMessage(new Uint8Array(maximumProviderMessageBytes + 1));
    }).toThrow(expect.objectContaining({ code: 'tooLarge' }));
  });

  it('[L12] goes nowhere once a stop was asked', async () => {
    const { context, reports } = new Rig();
    context.stopping();
    context.setReasserting(true);
    context.setStatusReason('x');
    context.cancelTunnel(new Error('late'));
    expect(await context.displayMessage('x')).toBe(false);
    expect(() => {
      context.sendProviderMessage(new Uint8Array());
    }).toThrow(expect.objectContaining({ code: 'stopped' }));
    expect(reports).toEqual([]);
    expect(context.reasserting()).toBe(false);
  });

  it('[L5] fires stopping and released in their turn', () => {
    const { context } = new Rig();
    expect(context.signals.stopping.aborted).toBe(false);
    context.stopping();
    expect(context.signals.stopping.aborted).toBe(true);
    expect(context.signals.released.aborted).toBe(false);
    context.released();
    expect(context.signals.released.aborted).toBe(true);
  });
});
