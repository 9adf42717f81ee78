import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { connectInPython, descriptors, greetInPython, python, TestEndpoint } from './testing/endpoint.ts';

describe('the peer', () => {
  test('[E3] is known by number, user, executable and namespaces', async () => {
    using endpoint = new TestEndpoint();
    const client = await endpoint.connect();
    const { peer } = await endpoint.event('connection');
    const file = statSync(process.execPath, { bigint: true });
    expect(peer).toEqual({
      pid: process.pid,
      uid: process.geteuid?.(),
      gid: process.getegid?.(),
      executable: process.execPath,
      executableError: null,
      executableOwner: Number(file.uid),
      executableMode: Number(file.mode & 0o7777n),
      executableDevice: file.dev.toString(),
      executableInode: file.ino.toString(),
      executableDeleted: false,
      sameUserNamespace: true,
      samePidNamespace: true,
      startTime: startTime(),
    });
    client.destroy();
  });

  test('[E3] running a file that was deleted or replaced is marked', async () => {
    using endpoint = new TestEndpoint();
    const copy = join(endpoint.directory, 'client');
    const script = `
import os, shutil, socket, sys, time
if sys.argv[2] == 'replace': shutil.copy('/bin/true', sys.argv[3] + '.new'); os.rename(sys.argv[3] + '.new', sys.argv[3])
else: os.unlink(sys.argv[3])
peer = socket.socket(socket.AF_UNIX); peer.connect(sys.argv[1]); peer.recv(1)
`;
    const interpreter = await python('import os, sys; print(os.path.realpath(sys.executable))');
    const prefix = await python('import sys; print(sys.base_prefix)');
    for (const how of ['delete', 'replace']) {
      spawnSync('cp', [interpreter, copy]);
      const client = spawn(copy, ['-c', script, endpoint.path, how, copy], {
        env: { ...process.env, PYTHONHOME: prefix },
        stdio: 'inherit',
      });
      const { peer, connectionId } = await endpoint.event('connection', how === 'delete' ? 1 : 2);
      expect(peer).toMatchObject({ executable: copy, executableDeleted: true, pid: client.pid });
      endpoint.listener.close(connectionId, 'seen');
      await once(client, 'exit');
    }
  });

  test('[E4] who passes its connection on ends it with senderMismatch', async () => {
    using endpoint = new TestEndpoint();
    const script = `${greetInPython}
peer.sendall(struct.pack('>I', 2) + b'me')
if os.fork() == 0:
    peer.sendall(struct.pack('>I', 5) + b'child')
    os._exit(0)
os.wait()
peer.recv(1)
`;
    await python(script, endpoint.path);
    expect((await endpoint.event('closed')).reason).toBe('senderMismatch');
    expect(endpoint.texts).toEqual(['me']);
  });

  test('[E4] who ends takes its connection along, even if a child holds it', async () => {
    using endpoint = new TestEndpoint();
    const script = `${greetInPython}
peer.sendall(struct.pack('>I', 2) + b'me')
if os.fork() == 0:
    os.close(0); os.close(1); os.close(2)
    peer.recv(1)
    os._exit(0)
sys.stdin.read(1)
`;
    const client = spawn('python3', ['-c', script, endpoint.path], { stdio: ['pipe', 'inherit', 'inherit'] });
    await endpoint.event('frame');
    client.stdin.end('x');
    expect((await endpoint.event('closed')).reason).toBe('peerExited');
    expect(endpoint.texts).toEqual(['me']);
  });

  test.each([1, 253])(
    '[E4] who sends %i descriptors to an older kernel loses them and its connection',
    async (count) => {
      using endpoint = new TestEndpoint({ olderKernel: true });
      const before = descriptors();
      await python(`${greetInPython}${passDescriptors}peer.recv(1)`, endpoint.path, String(count));
      expect((await endpoint.event('closed')).reason).toBe('unexpectedDescriptors');
      expect(endpoint.texts).toEqual([]);
      expect(descriptors()).toBeLessThanOrEqual(before);
    },
  );

  test.each([
    ['--user --map-root-user', { sameUserNamespace: false, samePidNamespace: true }],
    ['--user --map-root-user --pid --fork', { sameUserNamespace: false, samePidNamespace: false }],
  ])('of other namespaces (%s) is turned away, or marked', async (flags, marks) => {
    const script = `${connectInPython}\nprint(sum(iter(lambda: len(peer.recv(100)), 0)))`;
    const connect = async (path: string): Promise<string> => {
      const command = [...flags.split(' '), 'python3', '-c', script, path];
      return (await promisify(execFile)('unshare', command)).stdout.trim();
    };

    using strict = new TestEndpoint();
    expect(await connect(strict.path)).toBe('0');
    const refused = await strict.event('refused');
    expect(refused).toMatchObject({ reason: 'foreignNamespace', uid: process.geteuid?.() });
    expect(refused.pid).toBeGreaterThan(0);
    expect(strict.of('connection')).toEqual([]);

    using lenient = new TestEndpoint({ requireSameNamespaces: false });
    const client = connect(lenient.path);
    const { connectionId, peer } = await lenient.event('connection');
    expect(peer).toMatchObject(marks);
    lenient.listener.close(connectionId, 'seen');
    await client;
  });
});

/** Sends as many descriptors as the second argument says, with one byte. */
const passDescriptors = `
passed = array.array('i', [os.open('/dev/null', os.O_RDONLY)] * int(sys.argv[2]))
peer.sendmsg([struct.pack('>I', 1) + b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
`;

/** When this process began: field 22 of proc_pid_stat(5), the second being in parentheses. */
function startTime(): string | undefined {
  return readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')[19];
}
