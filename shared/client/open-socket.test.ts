import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EndpointError, RemoteError, serializeError } from '../protocol/errors.ts';
import { encodeFrame } from '../protocol/frames.ts';
import { noncePayload } from '../protocol/handshake.ts';
import { encodePayload } from '../protocol/messages.ts';
import { EndpointConnection } from './endpoint-connection.ts';
import { openSocket } from './open-socket.ts';
import { FakeHelper } from './testing/fake-helper.ts';

const client = { name: 'test', version: '1.0.0' };

let helper: FakeHelper;
beforeEach(async () => {
  helper = await FakeHelper.start();
});
afterEach(async () => {
  await helper.close();
});

async function open(timeout = 1000): Promise<EndpointConnection> {
  return EndpointConnection.open({ path: helper.endpoint.path, client, timeout });
}

describe('[E4] the handshake', () => {
  it('brings the nonce back, in whatever pieces it comes', async () => {
    helper.endpoint.greet = (peer) => {
      const send = peer.sendBytes.bind(peer);
      peer.sendBytes = (bytes) => {
        send(bytes.subarray(0, 3));
        setTimeout(() => {
          send(bytes.subarray(3));
        }, 20);
      };
      peer.greet();
      peer.sendBytes = send;
    };
    const connection = await open();
    expect(connection.hello).toMatchObject({ protocol: 1 });
    connection.close();
  });

  it('says nothing before the nonce came', async () => {
    helper.endpoint.greet = () => undefined;
    const pending = open(300);
    await expect(pending).rejects.toMatchObject({ code: 'timedOut' });
    expect(helper.endpoint.requests).toEqual([]);
  });

  it('rejects with the helper’s own words when it is refused', async () => {
    const data = serializeError(
      new EndpointError('accessDenied', 'The helper does not accept this program.'),
    );
    helper.endpoint.greet = (peer) => {
      peer.send({ jsonrpc: '2.0', id: null, error: { code: -32000, message: data.message, data } });
      peer.end();
    };
    const refused = open();
    await expect(refused).rejects.toBeInstanceOf(RemoteError);
    await expect(refused).rejects.toMatchObject({ domain: 'EndpointError', code: 'accessDenied', number: 2 });
  });

  it.each<[string, Uint8Array]>([
    ['a message', encodeFrame(encodePayload({ jsonrpc: '2.0', id: 1, result: {} }))],
    [
      'an error without its data',
      encodeFrame(encodePayload({ jsonrpc: '2.0', id: null, error: { code: 1, message: 'no' } })),
    ],
    ['a nonce too short', encodeFrame(noncePayload(new Uint8Array(32)).subarray(0, 39))],
    [
      'more behind the nonce',
      Uint8Array.of(...encodeFrame(noncePayload(new Uint8Array(32))), ...encodeFrame(encodePayload({}))),
    ],
    ['an empty frame', new Uint8Array(4)],
    ['a length above the cap', new Uint8Array([0xff, 0xff, 0xff, 0xff])],
    ['bytes that are not UTF-8', encodeFrame(new Uint8Array([0xff, 0xfe]))],
  ])('ends with malformedMessage for %s', async (_title, bytes) => {
    helper.endpoint.greet = (peer) => {
      peer.sendBytes(bytes);
    };
    await expect(open()).rejects.toMatchObject({ domain: 'EndpointError', code: 'malformedMessage' });
  });

  it('ends with connectionClosed when the helper goes', async () => {
    helper.endpoint.greet = (peer) => {
      peer.end();
    };
    await expect(open()).rejects.toMatchObject({ code: 'connectionClosed' });
  });

  it('is aborted by its signal', async () => {
    helper.endpoint.greet = () => undefined;
    const controller = new AbortController();
    const pending = openSocket({
      path: helper.endpoint.path,
      signal: controller.signal,
      timeout: 1000,
    });
    setTimeout(() => {
      controller.abort(new Error('enough'));
    }, 20);
    await expect(pending).rejects.toThrow('enough');
  });
});

describe('a helper whose queue is full', () => {
  it('is tried again until it has room, or time is up', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sallyport-queue-'));
    const path = join(directory, 'full.sock');
    const script = `
import socket, struct, sys
server = socket.socket(socket.AF_UNIX); server.bind(sys.argv[1]); server.listen(0)
filler = socket.socket(socket.AF_UNIX); filler.connect(sys.argv[1])
print('full', flush=True)
sys.stdin.read(1)
server.accept()
peer, _ = server.accept()
nonce = struct.pack('>I', 40) + b'SPNONCE1' + b'x' * 32
peer.sendall(nonce)
assert peer.recv(44, socket.MSG_WAITALL) == nonce
`;
    const server = spawn('python3', ['-c', script, path], { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await once(server.stdout, 'data');
      await expect(openSocket({ path, timeout: 100 })).rejects.toMatchObject({ code: 'timedOut' });
      const pending = openSocket({ path, timeout: 5000 });
      setTimeout(() => {
        server.stdin.end('x');
      }, 50);
      const socket = await pending;
      const [code] = await once(server, 'close');
      expect(code).toBe(0);
      socket.destroy();
    } finally {
      server.kill();
      await rm(directory, { recursive: true });
    }
  });
});
