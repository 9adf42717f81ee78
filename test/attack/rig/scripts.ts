/**
 * Attacks on a caller's identity that are mounted on more than one kind of kernel. Each follows `endpoint.py`; its
 * second argument is a trusted program.
 */

/** The parent becomes the trusted program; its child has the connection and does the talking. */
export const execAfterConnect = `
peer = socket.socket(socket.AF_UNIX)
ready, go = os.pipe()
parent = os.getpid()
if os.fork() == 0:
    os.read(ready, 1)
    time.sleep(0.2)
    assert os.readlink('/proc/%d/exe' % parent) == sys.argv[2]
    peer.settimeout(10)
    tell(gain(peer))
    os._exit(0)
peer.connect(PATH)
os.write(go, b'x')
os.execv(sys.argv[2], [sys.argv[2], '-c', 'import os; os.wait()'])
`;

/** Everything is sent while the helper cannot look; when it does, the same process runs the trusted program. */
export const execAfterSend = `
peer = connect()
blind = frame(MAGIC + bytes(32)) if len(sys.argv) > 3 else b''
peer.sendall(blind + request(1, 'hello', HELLO) + request(2, 'events.subscribe') + request(3, 'log.read'))
os.set_inheritable(peer.fileno(), True)
code = '''
import json, socket, struct, sys
peer = socket.socket(fileno=int(sys.argv[1]))
peer.settimeout(10)
data = b''
while True:
    try: part = peer.recv(65536)
    except ConnectionResetError: break
    if part == b'': break
    data += part
answered = []
refusal = None
while len(data) >= 4:
    size = struct.unpack('>I', data[:4])[0]
    payload, data = data[4:4 + size], data[4 + size:]
    if payload.startswith(b'SPNONCE1'): continue
    value = json.loads(payload)
    if 'result' in value: answered.append('?')
    elif value.get('id') is None: refusal = value['error']['data']['code']
print(json.dumps({'answered': answered, 'denied': [], 'refusal': refusal, 'closed': True}))
'''
os.execv(sys.argv[2], [sys.argv[2], '-c', code, str(peer.fileno())])
`;

/** A verified program gets itself admitted and hands its connection to one that is not; root's to the uid given. */
export const handOver = `
ours, theirs = socket.socketpair()
os.set_inheritable(theirs.fileno(), True)
peer = connect()
released, _ = admit(peer)
assert released and 'result' in call(peer, 1, 'hello', HELLO)
text = open('/proc/self/cmdline').read().split('\\0')[2].split('ours, theirs =')[0]
code = text + '''
inherited = socket.socket(fileno=int(sys.argv[2]))
_, ancillary, _, _ = inherited.recvmsg(1, 100)
peer = socket.socket(fileno=struct.unpack('i', ancillary[0][2][:4])[0])
peer.settimeout(10)
tell(converse(peer, 10))
'''
words = ['/usr/bin/python3', '-c', code, PATH, str(theirs.fileno())]
user = None if os.getuid() else int(sys.argv[3])
child = subprocess.Popen(words, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, user=user)
ours.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [peer.fileno()]))])
print(child.communicate()[0].decode(), flush=True)
`;

/** As many descriptors as one message takes, in many messages, on many connections; how each connection took it. */
export function strayDescriptors(verified: boolean): string {
  return `
many = array.array('i', [os.open('/dev/null', os.O_RDONLY)] * 253)
seen = set()
for _ in range(20):
    peer = connect()
    ${verified ? "assert admit(peer)[0] and 'result' in call(peer, 1, 'hello', HELLO)" : 'pass'}
    try:
        for number in range(2, 7):
            peer.sendmsg([request(number, 'extension.list')], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, many)])
    except PermissionError:
        # SO_PASSRIGHTS is off: nothing was sent at all.
        seen.add('not passed')
        peer.close()
        continue
    except OSError:
        pass
    got = rest(peer)
    assert not got['answered'] and got['closed'], got
    seen.add('closed')
    peer.close()
tell(sorted(seen))
`;
}

/** Goes on as pid 1 and "root" of user and pid namespaces of its own. */
export const namespaceRoot = `
own = os.getuid()
assert libc.unshare(0x10000000 | 0x20000000) == 0
open('/proc/self/setgroups', 'w').write('deny')
open('/proc/self/uid_map', 'w').write('0 %d 1' % own)
inner = os.fork()
if inner != 0:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]))
assert os.getuid() == 0 and os.getpid() == 1
`;

/**
 * A verified process ends; the next one that has its connection has its number and runs the same program. Needs
 * CAP_CHECKPOINT_RESTORE for what others would leave to luck.
 */
export const reusePid = `
peer = connect()
early = len(sys.argv) > 3
if not early:
    released, _ = admit(peer)
    assert released and 'result' in call(peer, 1, 'hello', HELLO)
number = os.getpid()
if os.fork() == 0:
    deadline = time.time() + 5
    while os.path.exists('/proc/%d' % number) and time.time() < deadline:
        time.sleep(0.005)
    for _ in range(50):
        open('/proc/sys/kernel/ns_last_pid', 'w').write(str(number - 1))
        child = os.fork()
        if child == 0:
            if os.getpid() != number: os._exit(9)
            assert os.readlink('/proc/self/exe') == sys.argv[2]
            tell(gain(peer) if early else converse(peer, 10))
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0: os._exit(0)
    os._exit(1)
os._exit(0)
`;
