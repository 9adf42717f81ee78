import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { native } from '@sallyport/helper/native/load.ts';
import { ownPeerRequestSchema, type OwnPeerReply } from './own-peer-protocol.ts';

/** A WireGuard device of ours in a process of its own, steered over IPC by `own-peer.ts`. Argument: interface. */
const directory = mkdtempSync(join(tmpdir(), 'sallyport-peer-'));
const tun = native().Tun.open(process.argv[2] ?? '');
let device: ReturnType<typeof start> | null = null;

process.on('message', (message) => {
  const request = ownPeerRequestSchema.parse(message);
  if (request.kind === 'configure') {
    const { privateKey, listenPort, clients } = request.configuration;
    const configuration = {
      privateKeyFile: keyFile('private', privateKey),
      listenPort,
      mtu: 1420,
      peers: clients.map((client, index) => ({
        publicKey: client.publicKey,
        allowedIps: client.allowedIPs,
        ...(client.presharedKey === undefined
          ? {}
          : { presharedKeyFile: keyFile(`preshared-${String(index)}`, client.presharedKey) }),
      })),
    };
    if (device === null) device = start(configuration);
    else device.configure(configuration);
    reply({ id: request.id, statistics: [] });
    return;
  }
  const peers = device?.statistics().peers ?? [];
  reply({
    id: request.id,
    statistics: peers.map((peer) => ({
      publicKey: peer.publicKey,
      endpoint: peer.endpoint,
      latestHandshake: Math.floor((peer.latestHandshakeMs ?? 0) / 1000),
      received: peer.receivedBytes,
      sent: peer.sentBytes,
    })),
  });
});

process.on('disconnect', () => {
  device?.stop();
  tun.close();
  rmSync(directory, { recursive: true, force: true });
  process.exit(0);
});

reply({ id: 0, statistics: [] });

function start(configuration: Parameters<ReturnType<typeof native>['WireGuardDevice']['start']>[1]) {
  return native().WireGuardDevice.start(tun, configuration, () => undefined);
}

function keyFile(name: string, base64: string): string {
  const path = join(directory, name);
  writeFileSync(path, Buffer.from(base64, 'base64'), { mode: 0o600 });
  return path;
}

function reply(message: OwnPeerReply): void {
  process.send?.(message);
}
