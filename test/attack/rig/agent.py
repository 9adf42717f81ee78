"""A client that does as it is told, a command of JSON a line; started by `agent.ts` after `endpoint.py`."""

peer = None
number = 0
backlog = []


def ask(method, params):
    """The answer; notifications that come first are kept."""
    global number
    number += 1
    begin = time.monotonic()
    if not send(peer, request(number, method, params)):
        return {'closed': True}
    while True:
        payload = receive(peer)
        if payload is None:
            return {'closed': True}
        value = json.loads(payload)
        if 'method' in value:
            backlog.append(value)
        else:
            value['milliseconds'] = (time.monotonic() - begin) * 1000
            return value


def drain(seconds):
    """Everything that was told so far, and what comes within that time."""
    global backlog
    end = time.monotonic() + seconds
    while True:
        left = end - time.monotonic()
        if left <= 0 or not select.select([peer], [], [], left)[0]:
            break
        payload = receive(peer)
        if payload is None:
            break
        backlog.append(json.loads(payload))
    told, backlog = backlog, []
    return {'told': told}


for line in sys.stdin:
    command = json.loads(line)
    try:
        if command['do'] == 'connect':
            if peer is not None:
                peer.close()
            peer, backlog = connect(command.get('path')), []
            peer.settimeout(60)
            released, refusal = admit(peer)
            if released:
                tell(ask('hello', HELLO))
            elif refusal is None:
                tell({'closed': True})
            else:
                tell(json.loads(refusal))
        elif command['do'] == 'call':
            tell(ask(command['method'], command['params']))
        elif command['do'] == 'drain':
            tell(drain(command['seconds']))
        elif command['do'] == 'close':
            peer.close()
            tell({'told': []})
    except (OSError, AttributeError) as problem:
        tell({'failed': repr(problem)})
