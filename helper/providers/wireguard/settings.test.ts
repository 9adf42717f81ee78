import { describe, expect, it } from 'vitest';
import {
  wireGuardProviderConfigurationSchema,
  type WireGuardProviderConfiguration,
} from '@sallyport/shared/formats/wireguard-settings.ts';
import { packetTunnelNetworkSettingsSchema } from '@sallyport/shared/provider/network-settings.ts';
import { wireGuardSettingsSchema } from '@sallyport/shared/provider/wireguard.ts';
import { deviceSettings, networkSettings } from './settings.ts';

const [privateKey, presharedKey] = [
  '5f0e6b3c-1d7e-4c51-9f0e-0d2b5b1c7a11',
  '5f0e6b3c-1d7e-4c51-9f0e-0d2b5b1c7a12',
];
const [first, second] = [`${'B'.repeat(42)}A=`, `${'C'.repeat(42)}A=`];

function configuration(changes: object = {}): WireGuardProviderConfiguration {
  return wireGuardProviderConfigurationSchema.parse({
    privateKey: { secretReference: privateKey },
    addresses: ['10.0.0.2/24', 'fd00::2/64'],
    peers: [{ publicKey: first, allowedIPs: ['0.0.0.0/0', '::/0'] }],
    ...changes,
  });
}

describe('networkSettings', () => {
  it('sends what the peers may send into the tunnel, by family', () => {
    const settings = networkSettings(
      configuration({
        peers: [
          { publicKey: first, allowedIPs: ['10.0.0.0/8', 'fd00::/8'] },
          { publicKey: second, allowedIPs: ['192.168.0.0/16'] },
        ],
      }),
    );
    expect(settings).toMatchObject({
      ipv4: {
        addresses: ['10.0.0.2/24'],
        includedRoutes: [
          { destination: '10.0.0.0/8', gateway: null },
          { destination: '192.168.0.0/16', gateway: null },
        ],
      },
      ipv6: { addresses: ['fd00::2/64'], includedRoutes: [{ destination: 'fd00::/8', gateway: null }] },
      dns: null,
      mtu: null,
      tunnelOverheadBytes: 80,
      routing: { table: 'auto', fwmark: null, blockOtherFamily: true },
    });
    expect(packetTunnelNetworkSettingsSchema.safeParse(settings).success).toBe(true);
  });

  it('leaves out a family that has neither address nor route', () => {
    const settings = networkSettings(
      configuration({ addresses: ['10.0.0.2/24'], peers: [{ publicKey: first, allowedIPs: ['0.0.0.0/0'] }] }),
    );
    expect(settings.ipv6).toBeNull();
    expect(networkSettings(configuration({ addresses: [] })).ipv4).toMatchObject({ addresses: [] });
  });

  it('names the server’s address if there is one alone', () => {
    const peer = (publicKey: string, host: string) => ({
      publicKey,
      allowedIPs: [],
      endpoint: { host, port: 51820 },
    });
    const remote = (...peers: readonly object[]) =>
      networkSettings(configuration({ peers })).tunnelRemoteAddress;
    expect(remote(peer(first, '192.0.2.7'))).toBe('192.0.2.7');
    expect(remote(peer(first, '2001:db8::7'))).toBe('2001:db8::7');
    expect(remote(peer(first, 'vpn.example.com'))).toBeNull();
    expect(remote({ publicKey: first, allowedIPs: [] })).toBeNull();
    expect(remote(peer(first, '192.0.2.7'), peer(second, '192.0.2.8'))).toBeNull();
  });

  it('keeps DNS, MTU, Table and FwMark', () => {
    const settings = networkSettings(
      configuration({
        dns: { servers: ['10.0.0.1'], searchDomains: ['corp.example'] },
        mtu: 1280,
        table: 1234,
        fwmark: 7,
        blockOtherFamily: false,
      }),
    );
    expect(settings).toMatchObject({
      dns: { servers: ['10.0.0.1'], searchDomains: ['corp.example'], matchDomains: [''] },
      mtu: 1280,
      routing: { table: 1234, fwmark: 7, blockOtherFamily: false },
    });
  });
});

describe('deviceSettings', () => {
  it('[K4] names keys by reference, and endpoints where they were resolved', () => {
    const settings = deviceSettings(
      configuration({
        listenPort: 5000,
        fwmark: 7,
        peers: [
          {
            publicKey: first,
            presharedKey: { secretReference: presharedKey },
            allowedIPs: ['10.0.0.0/8'],
            endpoint: { host: 'vpn.example.com', port: 51820 },
            persistentKeepalive: 25,
          },
          { publicKey: second, allowedIPs: [] },
        ],
      }),
      new Map([[first, '192.0.2.1:51820']]),
    );
    expect(settings).toEqual({
      privateKeyReference: privateKey,
      listenPort: 5000,
      fwmark: 7,
      peers: [
        {
          publicKey: first,
          presharedKeyReference: presharedKey,
          allowedIPs: ['10.0.0.0/8'],
          endpoint: '192.0.2.1:51820',
          persistentKeepalive: 25,
        },
        {
          publicKey: second,
          presharedKeyReference: null,
          allowedIPs: [],
          endpoint: null,
          persistentKeepalive: null,
        },
      ],
    });
    expect(wireGuardSettingsSchema.safeParse(settings).success).toBe(true);
  });
});
