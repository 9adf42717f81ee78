import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { frame, nonceFor } from './testing/endpoint.ts';

/**
 * Does what a service manager does: binds and listens, lets clients in, and then starts the helper with the socket as
 * descriptor 4 (3 being something else). One client waits, one has sent something; both before anybody asked for
 * credentials.
 */
const manager = `
import os, socket, sys, time
path, node, script, mode, bound = sys.argv[1:6]
other = socket.socket(socket.AF_UNIX); other.bind(os.path.dirname(path) + '/other.sock'); other.listen()
listener = socket.socket(socket.AF_UNIX); listener.bind(bound); os.chmod(bound, int(mode, 8)); listener.listen(16)
if os.fork() == 0:
    early = socket.socket(socket.AF_UNIX); early.connect(bound); early.sendall(b'early')
    patient = socket.socket(socket.AF_UNIX); patient.connect(bound)
    other.close(); listener.close(); os.write(1, b'connected\\n')
    try:
        while early.recv(100): pass
    except ConnectionResetError: pass
    try:
        nonce = patient.recv(44, socket.MSG_WAITALL)
        patient.sendall(nonce + b'\\0\\0\\0\\x07patient')
        patient.recv(1)
    except OSError: pass
    os._exit(0)
sys.stdin.readline()
a, b = os.dup2(other.fileno(), 100), os.dup2(listener.fileno(), 101)
os.dup2(a, 3); os.dup2(b, 4)
os.set_inheritable(3, True); os.set_inheritable(4, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2', LISTEN_FDNAMES='other:endpoint')
os.execv(node, [node, '--input-type=module', '-e', script, path])
`;

const helper = `
import { inheritedDescriptors } from ${JSON.stringify(new URL('../endpoint/inherited-descriptors.ts', import.meta.url).href)};
import { native } from ${JSON.stringify(new URL('load.ts', import.meta.url).href)};
const say = (line) => process.stdout.write(line + '\\n');
try {
  const listener = native().EndpointListener.listen({
    path: process.argv[1], mode: 0o666, maxFrameBytes: 100, maxConnections: 16, maxConnectionsPerUid: 16,
    connectBurst: 100, connectsPerSecond: 100, maxQueuedBytes: 100,
    maxQueuedBytesPerUid: 100, maxQueuedBytesOfRoot: 100, handshakeTimeoutMs: 5000,
    requireSameNamespaces: true, inheritedDescriptors: inheritedDescriptors(process.env, process.pid),
  }, (event) => {
    if (event.kind === 'connection') listener.release(event.connectionId);
    if (event.kind === 'frames') for (const data of event.payloads) say('frame ' + data);
    if (event.kind === 'closed') say('closed ' + event.reason);
  });
  say('listening');
  process.stdin.on('end', () => { listener.stop(); say('stopped'); }).resume();
} catch (error) {
  say(error.code + ' ' + error.message);
}
`;

let directory: string;
let path: string;
let child: ChildProcessByStdio<Writable, Readable, null> | null = null;
let lines: string[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-inherited-'));
  path = join(directory, 'endpoint.sock');
  lines = [];
});
afterEach(() => {
  child?.kill('SIGKILL');
  child = null;
  rmSync(directory, { recursive: true, force: true });
});

function start(mode: string, bound = path): ChildProcessByStdio<Writable, Readable, null> {
  child = spawn('python3', ['-c', manager, path, process.execPath, helper, mode, bound], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let rest = '';
  child.stdout.on('data', (part: Buffer) => {
    const parts = (rest + part.toString()).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  return child;
}

async function line(expected: RegExp): Promise<string> {
  const until = Date.now() + 8000;
  for (;;) {
    const found = lines.find((each) => expected.test(each));
    if (found !== undefined) return found;
    if (Date.now() > until) throw new Error(`Nothing matched ${String(expected)}: ${lines.join(' | ')}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('[E4] a socket of the service manager', () => {
  test('is used; who waited is served, who spoke early is not', async () => {
    const manager = start('0666');
    await line(/^connected$/);
    manager.stdin.write('go\n');
    await line(/^listening$/);
    // Linux 6.18 attaches credentials to what nobody has accepted yet; an older kernel does not.
    await line(/^closed (prematureFrame|wrongNonce|senderMismatch)$/);
    await line(/^frame patient$/);

    const client = net.connect(path);
    client.write(await nonceFor(client));
    client.write(frame('new'));
    await line(/^frame new$/);

    const exit = once(manager, 'exit');
    manager.stdin.end();
    await line(/^stopped$/);
    client.destroy();
    await exit;
    expect(existsSync(path), 'the file is the service manager’s').toBe(true);
  });

  test('that more may reach than should is refused, with what to change', async () => {
    start('0777').stdin.write('go\n');
    expect(await line(/^[A-Z_]+ /)).toBe(
      `DIRECTORY_UNSAFE ${path} has permissions 0777, more than 0666: set SocketMode=0666 in its unit`,
    );
  });

  test('of another name is left alone', async () => {
    const manager = start('0666', join(directory, 'elsewhere.sock'));
    manager.stdin.write('go\n');
    await line(/^listening$/);
    expect(statSync(path).mode & 0o777).toBe(0o666);
    const exit = once(manager, 'exit');
    manager.stdin.end();
    await exit;
    expect(existsSync(path)).toBe(false);
    expect(existsSync(join(directory, 'elsewhere.sock'))).toBe(true);
  });

  test('in a directory that others may write to is refused', async () => {
    mkdirSync(join(directory, 'open'));
    chmodSync(join(directory, 'open'), 0o777);
    path = join(directory, 'open', 'endpoint.sock');
    start('0666').stdin.write('go\n');
    expect(await line(/^[A-Z_]+ /)).toContain('DIRECTORY_UNSAFE');
  });
});
