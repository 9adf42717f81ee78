import { PacketTunnelProvider } from '@sallyport/shared/provider/packet-tunnel-provider.ts';

export { WireGuardTunnelProvider } from '@sallyport/helper/providers/wireguard/wireguard-tunnel-provider.ts';

/** A tunnel without routes, up at once, that sends every message back. */
export class EchoProvider extends PacketTunnelProvider {
  override async startTunnel(): Promise<void> {
    await this.setTunnelNetworkSettings({ tunnelRemoteAddress: null, mtu: 1400 });
  }

  override stopTunnel(): Promise<void> {
    return Promise.resolve();
  }

  override handleAppMessage(message: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve(message);
  }
}
