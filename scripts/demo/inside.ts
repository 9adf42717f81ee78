import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { importWireGuardConf } from '@sallyport/shared/client/import-wireguard-conf.ts';
import { secretReferenceSchema } from '@sallyport/shared/protocol/configuration.ts';
import type { TunnelProviderManager } from '@sallyport/shared/client/tunnel-provider-manager.ts';
import { Background } from '../../test/rig/background.ts';
import { foreignPeer } from '../../test/rig/foreign-peer.ts';
import { HelperProcess } from '../../test/rig/helper-process.ts';
import { fetchText, pageUrl, resolveAt } from '../../test/rig/measure.ts';
import { ownPeer } from '../../test/rig/own-peer.ts';
import { PeerNetwork } from '../../test/rig/peer-network.ts';
import { intranetName, pageText } from '../../test/rig/peer-site.ts';
import { diffSnapshots, snapshotNetwork } from '../../test/rig/snapshot.ts';
import { Narrator } from './narrator.ts';
import { connectTime, streamThroughput } from './throughput.ts';

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, 'started-at': { type: 'string', default: '0' } },
});
const say = new Narrator(values.json ? null : process.stdout);
const streamPort = 5001;
const measuredTime = 1500;

/** What the WireGuard provider answers to any message. */
const runtimeSchema = z.object({ startsInProcess: z.int(), startsOfInstance: z.int() });

say.heading('Sallyport demo: from a .conf file to packets in a tunnel, in namespaces of its own');

const implementation = await foreignPeer();
if (implementation === null) {
  say.warning('No foreign WireGuard here (no kernel module, no Go): a second engine of ours plays the peer.');
}
await using peer = await say.step(
  'A WireGuard peer with a web page and a name server behind it',
  async () => {
    const network = await PeerNetwork.start({ implementation: implementation ?? ownPeer });
    return [network, network.implementation.name];
  },
);
await using streams = await Background.start(
  'ip',
  [
    ...['netns', 'exec', peer.site.namespace, process.execPath],
    join(import.meta.dirname, 'stream-server.ts'),
    ...['0.0.0.0', String(streamPort)],
  ],
  { ready: /ready/ },
);
const before = await snapshotNetwork();
const helper = await say.step('The helper, which owns everything privileged', async () => {
  const started = await HelperProcess.start();
  return [started, `pid ${String(started.pid)}`];
});
const client = await helper.client();

const conf = await peer.clientConf({ dns: [peer.site.tunnel.v4, 'demo'] });
const manager = await say.step('Import of demo.conf', async () => {
  const imported = await importWireGuardConf(client, {
    bytes: new TextEncoder().encode(conf.text),
    fileName: 'demo.conf',
  });
  return [imported, `“${imported.name}”, its keys in the secret store`];
});

const helperPids: number[] = [];
const providerInstances: number[] = [];
const counters: z.infer<typeof runtimeSchema>[] = [];

await connect(manager);
const page = await say.step('The page behind the tunnel', async () => {
  const text = (await fetchText(pageUrl(peer.site.tunnel.v4))).trimEnd();
  return [text, `“${text}”`];
});
const dns = await say.step(`The name ${intranetName}, asked through the tunnel`, async () => {
  const addresses = await resolveAt(peer.site.tunnel.v4, intranetName);
  return [addresses, addresses.join(', ')];
});
const rttMs = await say.step('Latency', async () => {
  const median = await connectTime(peer.site.tunnel.v4, streamPort, 20);
  return [median, `${median.toFixed(2)} ms round trip, median of 20`];
});
const out = await throughput('out');
const into = await throughput('in');
const bytesThroughTunnel = await say.step('Bytes through the tunnel, as the device counts them', async () => {
  const statistics = await manager.session.statistics();
  const sum = (statistics?.sentBytes ?? 0) + (statistics?.receivedBytes ?? 0);
  return [sum, `${(sum / 1e6).toFixed(1)} MB`];
});
await disconnect(manager);
await connect(manager);
if ((await fetchText(pageUrl(peer.site.tunnel.v4))).trimEnd() !== pageText)
  throw new Error('The page changed.');
await disconnect(manager);
await manager.remove();
client.close();

const leftovers = await say.step('What is left behind', async () => {
  const after = await snapshotNetwork();
  // The key that seals the secrets stays; secrets themselves are named by their references.
  const names = await readdir(join(helper.directory, 'state', 'secrets'));
  const secrets = names.filter((name) => secretReferenceSchema.safeParse(name).success);
  const all = [...diffSnapshots(before, after), ...secrets.map((name) => `secret ${name}`)];
  return [all, all.length === 0 ? 'nothing' : all.join('; ')];
});
await helper.stop();
await streams.stop();

const summary = {
  peer: peer.implementation.name,
  helperPids,
  providerInstances,
  staticCounter: counters.at(-1)?.startsInProcess ?? 0,
  instanceCounter: counters.at(-1)?.startsOfInstance ?? 0,
  page,
  dns,
  rttMs: round(rttMs),
  outMbps: round(out),
  inMbps: round(into),
  bytesThroughTunnel,
  leftovers,
  seconds: round((Date.now() - Number(values['started-at'])) / 1000),
};
const problems = [
  ...(new Set(helperPids).size === 1 ? [] : ['the helper’s pid changed']),
  ...(new Set(providerInstances).size === providerInstances.length ? [] : ['an instance ran twice']),
  ...(summary.staticCounter === 2 && summary.instanceCounter === 1
    ? []
    : ['static or instance state is wrong']),
  ...(page === pageText ? [] : ['the page is another']),
  ...(dns.includes(peer.site.tunnel.v4) ? [] : ['the name resolved to something else']),
  ...(bytesThroughTunnel > 0 ? [] : ['no bytes were counted']),
  ...leftovers,
];
say.heading(
  `One helper (pid ${String(helperPids[0])}) ran provider instances ${providerInstances.join(' and ')}; ` +
    `its static counter says ${String(summary.staticCounter)}, the instance's own ${String(summary.instanceCounter)}.`,
);
if (values.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
else {
  say.heading(
    problems.length === 0
      ? `Done in ${String(summary.seconds)} s. Next: npm start opens the app.`
      : `Something is wrong: ${problems.join('; ')}`,
  );
}
process.exitCode = problems.length === 0 ? 0 : 1;

async function connect(tunnel: TunnelProviderManager): Promise<void> {
  await say.step('Connect', async () => {
    const begin = performance.now();
    await tunnel.session.start();
    const elapsed = performance.now() - begin;
    const session = client.session(tunnel.id);
    helperPids.push(client.hello?.pid ?? 0);
    providerInstances.push(session?.instance ?? 0);
    const reply = await tunnel.session.sendProviderMessage(new Uint8Array());
    counters.push(runtimeSchema.parse(JSON.parse(new TextDecoder().decode(reply ?? new Uint8Array()))));
    return [null, `connected after ${elapsed.toFixed(0)} ms on ${session?.virtualInterface?.name ?? '?'}`];
  });
}

async function disconnect(tunnel: TunnelProviderManager): Promise<void> {
  await say.step('Disconnect', async () => {
    await tunnel.session.stop({ wait: true });
    return [null, 'disconnected'];
  });
}

function throughput(direction: 'out' | 'in'): Promise<number> {
  return say.step(`Throughput ${direction}`, async () => {
    const { mbps } = await streamThroughput(peer.site.tunnel.v4, streamPort, direction, measuredTime);
    return [mbps, `${mbps.toFixed(0)} Mbit/s`];
  });
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
