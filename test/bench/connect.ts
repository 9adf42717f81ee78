import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { importWireGuardConf } from '@sallyport/shared/client/import-wireguard-conf.ts';
import { HelperProcess } from '../rig/helper-process.ts';
import { PeerNetwork } from '../rig/peer-network.ts';
import { memory } from './process-cost.ts';
import { median, quantile, round, type BenchResult } from './result.ts';

const rounds = 20;
const longest = 150;
const mostMemory = 70;

/** A page's port behind the tunnel. */
const port = 80;

/**
 * From the click to the first packet through the tunnel, and what the helper costs in memory.
 *
 * The click is the client's `start`; the first packet is the first answer of a server behind the tunnel to a
 * connection that is tried from the click on. Runs inside private namespaces.
 *
 * @param helperMain the bundled helper
 */
export async function benchConnect(helperMain: string): Promise<BenchResult> {
  await using peer = await PeerNetwork.start({ delay: 1 });
  await using helper = await HelperProcess.start({ main: helperMain, logLevel: 'notice' });
  const client = await helper.client();
  const idle = (await memory(helper.pid)).resident;
  const manager = await importWireGuardConf(client, {
    bytes: new TextEncoder().encode((await peer.clientConf({ allowedIPs: ['0.0.0.0/0', '::/0'] })).text),
    fileName: 'bench.conf',
  });
  const connected: number[] = [];
  const first: number[] = [];
  let once = 0;
  let often = 0;
  for (let index = 0; index < rounds; index += 1) {
    const click = performance.now();
    const packet = firstAnswer(peer.site.tunnel.v4, click);
    await manager.session.start();
    connected.push(performance.now() - click);
    first.push(await packet);
    often = (await memory(helper.pid)).resident;
    if (index === 0) once = often;
    await manager.session.stop();
  }
  const typical = median(first);
  return {
    name: 'connect',
    title: 'Click to first packet, and memory',
    method:
      `${String(rounds)} connects of a full tunnel in one helper; the cable to the ${peer.implementation.name} peer adds ` +
      `${String(peer.delay)} ms to a round trip. Memory is the resident size of the whole helper process.`,
    columns: ['figure', 'median', 'p95'],
    rows: [
      ['click to first packet, ms', round(typical), round(quantile(first, 0.95))],
      ['click to connected, ms', round(median(connected)), round(quantile(connected, 0.95))],
      ['helper idle, MB', round(idle), ''],
      ['helper connected, MB', round(once), ''],
      [`helper connected for the ${String(rounds)}th time, MB`, round(often), ''],
    ],
    aims: [
      {
        aim: `first packet within ${String(longest)} ms`,
        figure: round(typical),
        unit: 'ms',
        met: typical <= longest,
      },
      {
        aim: `idle within ${String(mostMemory)} MB`,
        figure: round(idle),
        unit: 'MB',
        met: idle <= mostMemory,
      },
      {
        aim: `connected within ${String(mostMemory)} MB`,
        figure: round(once),
        unit: 'MB',
        met: once <= mostMemory,
      },
    ],
  };
}

/** Milliseconds from the click until a server behind the tunnel answered; tries every 2 ms. */
async function firstAnswer(address: string, click: number): Promise<number> {
  for (;;) {
    if (await answers(address)) return performance.now() - click;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Whether a TCP connection succeeds; without a route, or while the tunnel is down, it does not. */
async function answers(address: string): Promise<boolean> {
  if (!(await isRoutedToTunnel(address))) return false;
  const socket = connectTcp(port, address);
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(5000) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** A SYN sent before the route exists would go to the cable and be sent again only after a second. */
async function isRoutedToTunnel(address: string): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    socket.connect(port, address);
    await once(socket, 'connect');
    return socket.address().address.startsWith('10.77.');
  } catch {
    return false;
  } finally {
    socket.close();
  }
}
