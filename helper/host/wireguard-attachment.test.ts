import { describe, expect, it } from 'vitest';
import { ProviderError } from '@sallyport/shared/protocol/errors.ts';
import type { WireGuardEvent, WireGuardSettings } from '@sallyport/shared/provider/wireguard.ts';
import { MemoryVirtualInterface } from '../testing/memory-virtual-interface.ts';
import { WireGuardAttachment, type WireGuardAttachmentOptions } from './wireguard-attachment.ts';

const key = '5f0e6b3c-1d7e-4c51-9f0e-0d2b5b1c7a11';
const shared = '5f0e6b3c-1d7e-4c51-9f0e-0d2b5b1c7a12';
const missing = '5f0e6b3c-1d7e-4c51-9f0e-0d2b5b1c7a13';
const publicKey = `${'A'.repeat(43)}=`;
const settings: WireGuardSettings = {
  privateKeyReference: key,
  peers: [{ publicKey, allowedIPs: ['10.0.0.0/8'], endpoint: '192.0.2.1:51820' }],
};

function makeOptions(): WireGuardAttachmentOptions & { device: MemoryVirtualInterface; calls: number } {
  const options = {
    device: new MemoryVirtualInterface('sp-test', 7),
    secrets: {
      put: () => Promise.resolve(),
      remove: () => Promise.resolve(),
      list: () => Promise.resolve([]),
      path: (reference: string) =>
        reference === missing
          ? Promise.reject(new ProviderError('secretNotFound', 'It is not in the store.'))
          : Promise.resolve(`/secrets/${reference}`),
    },
    fwmark: 51,
    mtu: () => 1400,
    calls: 0,
    call: (listener: () => void) => {
      options.calls += 1;
      listener();
    },
  };
  return options;
}

describe('starting a device', () => {
  it('hands over keys by file and leaves out what is not set', async () => {
    const options = makeOptions();
    const start = await WireGuardAttachment.prepare(options, settings);
    expect(options.device.isDeviceRunning).toBe(false);
    start();
    expect(options.device.isDeviceRunning).toBe(true);
    expect(options.device.device).toEqual({
      privateKeyFile: `/secrets/${key}`,
      fwmark: 51,
      mtu: 1400,
      peers: [{ publicKey, allowedIps: ['10.0.0.0/8'], endpoint: '192.0.2.1:51820' }],
    });
  });

  it('passes everything that is set, and the settings’ own mark', async () => {
    const options = makeOptions();
    const start = await WireGuardAttachment.prepare(options, {
      privateKeyReference: key,
      listenPort: 51820,
      fwmark: 99,
      peers: [{ publicKey, presharedKeyReference: shared, allowedIPs: [], persistentKeepalive: 25 }],
    });
    start();
    expect(options.device.device).toEqual({
      privateKeyFile: `/secrets/${key}`,
      listenPort: 51820,
      fwmark: 99,
      mtu: 1400,
      peers: [{ publicKey, presharedKeyFile: `/secrets/${shared}`, allowedIps: [], persistentKeepalive: 25 }],
    });
  });

  it.each([
    ['no peers', { ...settings, peers: [] }, 'peers'],
    [
      'a public key that is none',
      { ...settings, peers: [{ publicKey: 'x', allowedIPs: [] }] },
      'peers.0.publicKey',
    ],
    ['a path for a reference', { ...settings, privateKeyReference: '../x' }, 'privateKeyReference'],
    ['port 0', { ...settings, listenPort: 0 }, 'listenPort'],
  ])('refuses %s and says where', async (_what, wrong, where) => {
    const refusal = WireGuardAttachment.prepare(makeOptions(), wrong);
    await expect(refusal).rejects.toMatchObject({ domain: 'ProviderError', code: 'deviceFailed' });
    await expect(refusal).rejects.toThrow(`invalid at ${where}: `);
  });

  it('refuses a secret that is not there', async () => {
    const options = makeOptions();
    const peers = [{ publicKey, presharedKeyReference: missing, allowedIPs: [] }];
    for (const wrong of [
      { ...settings, privateKeyReference: missing },
      { ...settings, peers },
    ]) {
      await expect(WireGuardAttachment.prepare(options, wrong)).rejects.toMatchObject({
        code: 'secretNotFound',
      });
    }
    expect(options.device.device).toBeNull();
  });
});

describe('a running device', () => {
  async function start(): Promise<{
    attachment: WireGuardAttachment;
    options: ReturnType<typeof makeOptions>;
  }> {
    const options = makeOptions();
    return { attachment: (await WireGuardAttachment.prepare(options, settings))(), options };
  }

  it('tells every listener every event, in the provider’s scope', async () => {
    const { attachment, options } = await start();
    const seen: WireGuardEvent[] = [];
    attachment.onEvent((event) => seen.push(event));
    attachment.onEvent((event) => seen.push(event));
    const event: WireGuardEvent = { kind: 'handshakeFailed', publicKey };
    options.device.emit(event);
    expect(seen).toEqual([event, event]);
    expect(options.calls).toBe(2);
  });

  it('is configured anew and pointed elsewhere', async () => {
    const { attachment, options } = await start();
    attachment.setPeerEndpoint(publicKey, '[2001:db8::1]:51820');
    expect(attachment.peers()[0]?.endpoint).toBe('[2001:db8::1]:51820');
    await attachment.configure({ ...settings, listenPort: 5000 });
    expect(options.device.device).toMatchObject({
      listenPort: 5000,
      peers: [{ endpoint: '192.0.2.1:51820' }],
    });
    await expect(attachment.configure({ ...settings, peers: [] })).rejects.toMatchObject({
      code: 'deviceFailed',
    });
    expect(options.device.device?.listenPort).toBe(5000);
  });

  it('says nothing after it was closed, refuses everything, and keeps its last counters', async () => {
    const { attachment, options } = await start();
    const seen: WireGuardEvent[] = [];
    attachment.onEvent((event) => seen.push(event));
    const counters = attachment.statistics();
    await attachment.close();
    await attachment.close();
    expect(attachment.isClosed).toBe(true);
    expect(options.device.isDeviceRunning).toBe(false);
    options.device.emit({ kind: 'handshakeFailed', publicKey });
    expect(seen).toEqual([]);
    expect(attachment.statistics()).toEqual(counters);
    await expect(attachment.configure(settings)).rejects.toMatchObject({ code: 'stopped' });
    expect(() => {
      attachment.setPeerEndpoint(publicKey, '192.0.2.2:1');
    }).toThrow(ProviderError);
    expect(() => {
      attachment.roam();
    }).toThrow(ProviderError);
  });

  it('is stopped even when it cannot say its counters any more', async () => {
    const options = makeOptions();
    let stops = 0;
    const { device } = options;
    const startWireGuard = device.startWireGuard.bind(device);
    device.startWireGuard = (configuration, onEvent) => ({
      ...startWireGuard(configuration, onEvent),
      statistics: () => {
        throw new Error('The device is gone.');
      },
      stop: () => {
        stops += 1;
      },
    });
    const attachment = (await WireGuardAttachment.prepare(options, settings))();
    await expect(attachment.close()).rejects.toThrow('The device is gone.');
    expect(stops).toBe(1);
    await attachment.close();
    expect(stops).toBe(1);
  });

  it('does not come back when it was closed while it was configured', async () => {
    const { attachment, options } = await start();
    const configuring = attachment.configure({ ...settings, listenPort: 5000 });
    await attachment.close();
    await expect(configuring).rejects.toMatchObject({ code: 'stopped' });
    expect(options.device.device?.listenPort).toBeUndefined();
  });
});
