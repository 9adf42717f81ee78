"""What hostile clients of the endpoint are written with: the wire, and nothing that keeps to its rules.

Every attacker's script is this text followed by its own, run with `-c`; its arguments are the socket's path and
whatever the test adds. It prints one line of JSON.
"""

import array, ctypes, errno, fcntl, json, os, select, signal, socket, struct, subprocess, sys, time, uuid

PATH = sys.argv[1]
MAGIC = b'SPNONCE1'
libc = ctypes.CDLL(None, use_errno=True)


def connect(path=None):
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.settimeout(10)
    peer.connect(path or PATH)
    return peer


def frame(payload):
    return struct.pack('>I', len(payload)) + payload


def message(value):
    return frame(value if isinstance(value, bytes) else json.dumps(value).encode())


def request(number, method, params=None):
    return message({'jsonrpc': '2.0', 'id': number, 'method': method, 'params': params or {}})


def exactly(peer, count):
    """Bytes; None when the stream ends before."""
    got = b''
    while len(got) < count:
        try:
            part = peer.recv(count - len(got))
        except (ConnectionResetError, BrokenPipeError):
            return None
        if part == b'':
            return None
        got += part
    return got


def receive(peer):
    """The payload of one frame; None at the end."""
    head = exactly(peer, 4)
    return None if head is None else exactly(peer, struct.unpack('>I', head)[0])


def send(peer, data):
    """False when nobody listens any more."""
    try:
        peer.sendall(data)
        return True
    except (BrokenPipeError, ConnectionResetError):
        return False


HELLO = {'protocol': {'oldest': 1, 'newest': 1}, 'client': {'name': 'attack', 'version': '1'}}


def admit(peer):
    """Takes the nonce and gives it back; what came instead if it is none: a refusal, or None for an ended stream."""
    first = receive(peer)
    if first is None or not first.startswith(MAGIC):
        return (False, first)
    return (send(peer, frame(first)), None)


def answer(peer, number):
    """The answer with that id, past notifications; None at the end."""
    while True:
        payload = receive(peer)
        if payload is None:
            return None
        value = json.loads(payload)
        if value.get('id', -1) == number or (value.get('id', -1) is None and 'error' in value):
            return value


def call(peer, number, method, params=None):
    return answer(peer, number) if send(peer, request(number, method, params)) else None


def draft(**changes):
    """A configuration of the echo provider that has no routes."""
    value = {
        'id': str(uuid.uuid4()),
        'name': 'attack ' + uuid.uuid4().hex,
        'protocolConfiguration': {'providerBundleIdentifier': PROVIDER, 'serverAddress': None},
    }
    value.update(changes)
    return value


PROVIDER = 'org.sallyport.attack.echo'


def attempts():
    """One request of each role and kind; those that would succeed for an administrator."""
    return [
        ('extension.list', {}),
        ('events.subscribe', {}),
        ('configurations.list', {}),
        ('log.read', {'limit': 1}),
        ('configurations.save', {'configuration': draft(), 'expectedRevision': None}),
    ]


def code_of(value):
    return None if value is None or 'error' not in value else value['error'].get('data', {}).get('code', 'rpc')


def converse(peer, first=1):
    """What a released connection can do: methods that were answered, denied, and how it ended."""
    got = {'answered': [], 'denied': [], 'refusal': None, 'closed': False}
    for number, (method, params) in enumerate([('hello', HELLO)] + attempts(), first):
        value = call(peer, number, method, params)
        if value is None:
            got['closed'] = True
            break
        if 'result' in value:
            got['answered'].append(method)
        elif value.get('id') is None:
            got['refusal'] = code_of(value)
        else:
            got['denied'].append(method)
    return got


def gain(peer):
    """All that can be had of a connection, from the nonce on."""
    released, refusal = admit(peer)
    if released:
        return converse(peer)
    got = {'answered': [], 'denied': [], 'refusal': None, 'closed': True}
    if refusal is not None:
        got['refusal'] = code_of(json.loads(refusal))
        got['closed'] = receive(peer) is None
    return got


def rest(peer):
    """What comes until the stream ends: the same facts, of one who only listens."""
    got = {'answered': [], 'denied': [], 'refusal': None, 'closed': False}
    while True:
        try:
            payload = receive(peer)
        except TimeoutError:
            return got
        if payload is None:
            got['closed'] = True
            return got
        if payload.startswith(MAGIC):
            continue
        value = json.loads(payload)
        if value.get('id', -1) is None:
            got['refusal'] = code_of(value)
        elif 'result' in value:
            got['answered'].append('?')
        elif 'error' in value:
            got['denied'].append('?')


def tell(value):
    print(json.dumps(value), flush=True)
