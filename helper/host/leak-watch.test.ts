import { AsyncResource } from 'node:async_hooks';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { unwatchFile, watch, watchFile } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { spawn } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { LeakWatch } from './leak-watch.ts';
import { runAsProvider, runAsSystem, type ProviderOwner } from './provider-scope.ts';

const leaks = new LeakWatch();
let owner: ProviderOwner;

function makeOwner(): ProviderOwner {
  const made = { run: 1, configurationId: 'x', identifier: 'com.example.tunnel', fault: () => undefined };
  leaks.watch(made);
  return made;
}

beforeEach(() => {
  owner = makeOwner();
});

/** Waits until nothing of the owner is alive. */
async function untilGone(): Promise<void> {
  await vi.waitFor(() => {
    expect(leaks.alive(owner)).toEqual({});
  });
}

describe('[L5] what a provider leaves running', () => {
  it('is told by kind: timers', async () => {
    const timers = runAsProvider(owner, () => [
      setTimeout(() => undefined, 60_000),
      setInterval(() => undefined, 60_000),
      setTimeout(() => undefined, 60_000).unref(),
    ]);
    expect(leaks.alive(owner)).toEqual({ timer: 3 });
    for (const timer of timers) clearTimeout(timer);
    await untilGone();
  });

  it('is told by kind: sockets and servers', async () => {
    const end = (socket: Socket): Socket => socket.end();
    const server = runAsProvider(owner, () => createServer(end).listen(0, '127.0.0.1'));
    const datagrams = runAsProvider(owner, () => createSocket('udp4'));
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const socket = runAsProvider(owner, () => connect(port, '127.0.0.1'));
    await Promise.all([once(server, 'connection'), once(socket, 'connect')]);
    expect(leaks.alive(owner)).toMatchObject({ 'TCP server': 1, 'UDP socket': 1 });
    expect(leaks.alive(owner)['TCP socket']).toBeGreaterThanOrEqual(1);
    socket.destroy();
    server.close();
    datagrams.close();
    await untilGone();
  });

  it('is told by kind: workers, children and file watchers', async () => {
    const worker = runAsProvider(owner, () => new Worker('setInterval(() => 0, 1000)', { eval: true }));
    const child = runAsProvider(owner, () => spawn('sleep', ['60']));
    const watcher = runAsProvider(owner, () => watch('/tmp'));
    runAsProvider(owner, () => watchFile('/tmp/none', () => undefined));
    expect(leaks.alive(owner)).toMatchObject({ worker: 1, 'child process': 1, 'file watcher': 2 });
    await worker.terminate();
    child.kill();
    await once(child, 'close');
    watcher.close();
    unwatchFile('/tmp/none');
    await untilGone();
  });

  it('is followed through whatever the provider starts', async () => {
    let timer: NodeJS.Timeout | undefined;
    runAsProvider(owner, () => {
      setImmediate(() => {
        void Promise.resolve().then(() => {
          timer = setInterval(() => undefined, 60_000);
        });
      });
    });
    await vi.waitFor(() => {
      expect(leaks.alive(owner)).toEqual({ timer: 1 });
    });
    clearInterval(timer);
    await untilGone();
  });

  it('does not hold what ends by itself, the helper’s own, or another provider’s', async () => {
    const other = makeOwner();
    const own = setTimeout(() => undefined, 60_000);
    const system = runAsProvider(owner, () => runAsSystem(() => setTimeout(() => undefined, 60_000)));
    const theirs = runAsProvider(other, () => setTimeout(() => undefined, 60_000));
    runAsProvider(owner, () => {
      setTimeout(() => undefined, 1);
      setImmediate(() => undefined);
      process.nextTick(() => undefined);
      // A resource of a provider's own may have any name.
      for (const name of ['constructor', '__proto__', 'toString']) new AsyncResource(name).emitDestroy();
    });
    await untilGone();
    expect(leaks.alive(other)).toEqual({ timer: 1 });
    for (const timer of [own, system, theirs]) clearTimeout(timer);
  });

  it('is forgotten with its owner', () => {
    const timer = runAsProvider(owner, () => setTimeout(() => undefined, 60_000));
    leaks.unwatch(owner);
    expect(leaks.alive(owner)).toEqual({});
    const late = runAsProvider(owner, () => setTimeout(() => undefined, 60_000));
    expect(leaks.alive(owner)).toEqual({});
    clearTimeout(timer);
    clearTimeout(late);
  });
});
