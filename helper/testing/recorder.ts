import type { TunnelProviderProtocol } from '@sallyport/shared/protocol/configuration.ts';
import type { JsonObject } from '@sallyport/shared/protocol/json.ts';
import type { StopReason } from '@sallyport/shared/protocol/session.ts';
import { PacketTunnelProvider } from '@sallyport/shared/provider/packet-tunnel-provider.ts';

/** What `Recorder` was asked, in order; tests empty it after each. */
export const calls: string[] = [];

/** Notes every callback. */
export class Recorder extends PacketTunnelProvider {
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
