import { once } from 'node:events';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { developerDirectory, developerEndpointPath } from '@sallyport/shared/manifest/developer-endpoint.ts';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { Background } from '../../test/rig/background.ts';
import { foreignPeer } from '../../test/rig/foreign-peer.ts';
import { mallocEnvironment, nodeArguments } from '@sallyport/helper/node-arguments.ts';
import { pageUrl } from '../../test/rig/measure.ts';
import { ownPeer } from '../../test/rig/own-peer.ts';
import { PeerNetwork } from '../../test/rig/peer-network.ts';
import type { DeveloperHelper } from './developer-helper-line.ts';

/*
 * Runs inside private namespaces: a helper in developer mode (contract A10), and a peer to connect to. Prints one
 * line of JSON once both are up, and ends, leaving nothing, at SIGTERM or SIGINT.
 */
const { values } = parseArgs({ options: { uid: { type: 'string' } } });
// Inside a user namespace everyone is root; the socket's place goes by who one is outside.
const uid = Number(values.uid);

const ending = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);

await using stack = new AsyncDisposableStack();
const peer = stack.use(await PeerNetwork.start({ implementation: (await foreignPeer()) ?? ownPeer }));
const conf = await peer.clientConf({ dns: [peer.site.tunnel.v4, 'demo'], persistentKeepalive: 5 });

const folder = await mkdtemp(join(tmpdir(), 'sallyport-sample-'));
stack.defer(() => rm(folder, { recursive: true, force: true }));
const sample = join(folder, 'demo.conf');
await writeFile(sample, conf.text, { mode: 0o600 });

const state = await mkdtemp(join(tmpdir(), 'sallyport-state-'));
stack.defer(() => rm(state, { recursive: true, force: true }));
await mkdir(developerDirectory(uid), { recursive: true, mode: 0o700 });
const endpoint = developerEndpointPath(uid, sallyportManifest.endpointName);
const main = fileURLToPath(new URL('../../helper/main.ts', import.meta.url));
stack.use(
  await Background.start(
    process.execPath,
    [...nodeArguments, main, '--developer', '--endpoint', endpoint, '--state', join(state, 'helper')],
    { ready: /^\{"ready":/, readyTimeout: 30_000, env: { ...process.env, ...mallocEnvironment } },
  ),
);

const line: DeveloperHelper = {
  ready: endpoint,
  sample,
  page: pageUrl(peer.site.tunnel.v4),
  peer: peer.implementation.name,
};
process.stdout.write(`${JSON.stringify(line)}\n`);
await ending;
