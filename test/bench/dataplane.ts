import { importWireGuardConf } from '@sallyport/shared/client/import-wireguard-conf.ts';
import { HelperProcess } from '../rig/helper-process.ts';
import { ping, throughput } from '../rig/measure.ts';
import { PeerNetwork } from '../rig/peer-network.ts';
import { ReferenceClient } from '../rig/reference-client.ts';
import { cpuSeconds, memory } from './process-cost.ts';
import { median, round, type BenchResult } from './result.ts';

const rounds = 5;
const seconds = 6;

/** What one round measured of one engine. */
interface Round {
  readonly outMbps: number;
  readonly inMbps: number;
  readonly outCpu: number;
  readonly inCpu: number;
  readonly roundTrip: number;
  readonly peak: number;
}

/**
 * Throughput and cost of our data plane against wireguard-go's, both connected to the same peer in turn.
 *
 * @param helperMain the bundled helper
 *
 * Runs inside private namespaces. Two cores carry both ends, so absolute figures wander; ratios hold.
 */
export async function benchDataplane(helperMain: string): Promise<BenchResult> {
  await using peer = await PeerNetwork.start();
  await peer.startIperf();
  const ours: Round[] = [];
  const theirs: Round[] = [];
  for (let index = 0; index < rounds; index += 1) {
    // Alternating who goes first keeps a drift of the machine from favouring one.
    if (index % 2 === 0) ours.push(await measureOurs(peer, helperMain));
    theirs.push(await measureReference(peer));
    if (index % 2 === 1) ours.push(await measureOurs(peer, helperMain));
  }
  const out = median(ours.map((one, index) => one.outMbps / (theirs[index]?.outMbps ?? Number.NaN)));
  const into = median(ours.map((one, index) => one.inMbps / (theirs[index]?.inMbps ?? Number.NaN)));
  return {
    name: 'dataplane',
    title: 'Data plane',
    method:
      `TCP of iperf3, one stream, ${String(seconds)} s each way, to a ${peer.implementation.name} peer; ` +
      `${String(rounds)} interleaved rounds, medians, ratios round by round; CPU and memory of the client's process.`,
    columns: ['client', 'out Mbit/s', 'in Mbit/s', 'CPU-s/GB out', 'CPU-s/GB in', 'ping ms', 'peak RSS MB'],
    rows: [
      summary('Sallyport', ours),
      summary('wireguard-go', theirs),
      ['ratio', round(out, 2), round(into, 2), '', '', '', ''],
    ],
    aims: [
      { aim: 'outbound at least 0.9 × wireguard-go', figure: round(out, 2), unit: '×', met: out >= 0.9 },
      { aim: 'inbound at least 0.9 × wireguard-go', figure: round(into, 2), unit: '×', met: into >= 0.9 },
    ],
  };
}

async function measureOurs(peer: PeerNetwork, helperMain: string): Promise<Round> {
  await using helper = await HelperProcess.start({ main: helperMain, logLevel: 'warning' });
  const conf = await peer.clientConf();
  const manager = await importWireGuardConf(await helper.client(), {
    bytes: new TextEncoder().encode(conf.text),
    fileName: 'bench.conf',
  });
  await manager.session.start();
  const result = await measure(peer.site.tunnel.v4, helper.pid);
  await manager.session.stop();
  await peer.removeClient(conf);
  return result;
}

async function measureReference(peer: PeerNetwork): Promise<Round> {
  const conf = await peer.clientConf();
  await using client = await ReferenceClient.connect(peer, conf);
  const result = await measure(peer.site.tunnel.v4, client.pid);
  await peer.removeClient(conf);
  return result;
}

async function measure(address: string, pid: number): Promise<Round> {
  const { median: roundTrip } = await ping(address, 20, 0.05);
  const outward = await direction(address, pid, false);
  const inward = await direction(address, pid, true);
  return {
    outMbps: outward.mbps,
    outCpu: outward.cpu,
    inMbps: inward.mbps,
    inCpu: inward.cpu,
    roundTrip,
    peak: (await memory(pid)).peak,
  };
}

async function direction(
  address: string,
  pid: number,
  inbound: boolean,
): Promise<{ mbps: number; cpu: number }> {
  const before = await cpuSeconds(pid);
  const { megabitsPerSecond, bytes } = await throughput(address, { seconds, inbound });
  return { mbps: megabitsPerSecond, cpu: ((await cpuSeconds(pid)) - before) / (bytes / 1e9) };
}

function summary(name: string, all: readonly Round[]): (string | number)[] {
  const of = (pick: (one: Round) => number, digits: number): number => round(median(all.map(pick)), digits);
  return [
    name,
    of((one) => one.outMbps, 0),
    of((one) => one.inMbps, 0),
    of((one) => one.outCpu, 2),
    of((one) => one.inCpu, 2),
    of((one) => one.roundTrip, 3),
    of((one) => one.peak, 0),
  ];
}
