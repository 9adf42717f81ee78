import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type {
  ClientStatistics,
  DeviceConfiguration,
  PeerImplementation,
  RunningPeer,
} from './foreign-peer.ts';
import { ownPeerReplySchema, type OwnPeerReply, type OwnPeerRequest } from './own-peer-protocol.ts';

const script = fileURLToPath(new URL('own-peer-process.ts', import.meta.url));

/**
 * A second engine of ours as the peer, for a demo on a machine that has no other WireGuard.
 *
 * It proves less than a foreign one, since both ends could share a mistake: whoever uses it says so.
 */
export const ownPeer: PeerImplementation = {
  name: 'a second engine of Sallyport’s',
  start: (namespace, interfaceName) => OwnPeer.start(namespace, interfaceName),
};

class OwnPeer implements RunningPeer {
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, (reply: OwnPeerReply) => void>();
  #lastId = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (message) => {
      const reply = ownPeerReplySchema.parse(message);
      this.#answers.get(reply.id)?.(reply);
      this.#answers.delete(reply.id);
    });
  }

  static async start(namespace: string, interfaceName: string): Promise<OwnPeer> {
    const words = ['netns', 'exec', namespace, process.execPath, script, interfaceName];
    const child = spawn('ip', words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const peer = new OwnPeer(child);
    await Promise.race([
      new Promise((resolve) => peer.#answers.set(0, resolve)),
      once(child, 'exit').then(() => {
        throw new Error('The peer’s process ended before it was ready.');
      }),
    ]);
    return peer;
  }

  async configure(configuration: DeviceConfiguration): Promise<void> {
    await this.#ask((id) => ({
      kind: 'configure',
      id,
      configuration: {
        ...configuration,
        clients: configuration.clients.map((client) => ({ ...client, allowedIPs: [...client.allowedIPs] })),
      },
    }));
  }

  async statistics(): Promise<readonly ClientStatistics[]> {
    return (await this.#ask((id) => ({ kind: 'statistics', id }))).statistics;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }

  #ask(make: (id: number) => OwnPeerRequest): Promise<OwnPeerReply> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#answers.set(id, resolve);
      this.#child.send(make(id), (error) => {
        if (error !== null) reject(error);
      });
    });
  }
}
