import { mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { frame, nonceFor, received } from '../native/testing/endpoint.ts';
import type { Listener } from './listener.ts';
import { listenNatively } from './native-listener.ts';

/** Has a listener do something with the first frame of its first client; resolves with what that client gets. */
async function clientGets(act: (listener: Listener, connection: number) => void): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-listener-'));
  const path = join(directory, 'test.sock');
  const listener = listenNatively({ path, developerMode: true, maximumFrameBytes: 1000 }, (event) => {
    if (event.kind === 'connection') listener.release(event.connectionId);
    if (event.kind === 'frame') act(listener, event.connectionId);
  });
  try {
    const client = net.connect(path);
    await once(client, 'connect');
    client.write(Buffer.concat([await nonceFor(client), frame('hello')]));
    return String(await received(client));
  } finally {
    listener.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

describe('what was sent in the turn that ends a connection reaches the client', () => {
  const words = String(Buffer.concat([frame('last'), frame('words')]));

  it.each<[string, (listener: Listener, connection: number) => void]>([
    [
      'close',
      (listener, connection) => {
        listener.close(connection, 'over');
      },
    ],
    [
      'stop',
      (listener) => {
        listener.stop();
      },
    ],
  ])('%s', async (_name, end) => {
    const got = await clientGets((listener, connection) => {
      listener.send(connection, Buffer.from('last'));
      listener.send(connection, Buffer.from('words'));
      end(listener, connection);
    });
    expect(got).toBe(words);
  });

  it('and nothing that was sent after it', async () => {
    const got = await clientGets((listener, connection) => {
      listener.send(connection, Buffer.from('last'));
      listener.close(connection, 'over');
      listener.send(connection, Buffer.from('words'));
    });
    expect(got).toBe(String(frame('last')));
  });
});
