import { runApplication } from '../../../app/main/application.ts';
import { MemoryTunnelClient } from '../../../app/testing/memory-tunnel-client.ts';

declare global {
  var memoryClient: MemoryTunnelClient | undefined;
}

/** The app over the twin, which Playwright moves through `globalThis.memoryClient`. */
runApplication(() => {
  globalThis.memoryClient = new MemoryTunnelClient();
  return globalThis.memoryClient;
});
