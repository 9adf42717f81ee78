import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import * as z from 'zod';
import type { Outcome } from './attacks.ts';
import { attack, outcomeOf, sameOutcome } from './rig/attack.ts';
import { AttackRig, trusted, uids } from './rig/attack-rig.ts';
import { gainSchema, mount } from './rig/attacker.ts';
import { wrongRequests } from './rig/wrong-requests.ts';

/** What a verified client may not send. The attackers are verified: nobody else gets as far. */

let rig: AttackRig;
const verified = { uid: uids.attacker, executable: trusted.client };

beforeAll(async () => {
  rig = await AttackRig.start();
});

afterAll(() => rig[Symbol.asyncDispose]());

/** Each of `bytes`, a list of Python, on an admitted connection of its own: what comes of it. */
async function sent(bytes: string): Promise<Outcome> {
  const script = `
outcomes = []
for data in ${bytes}:
    peer = connect()
    assert admit(peer)[0] and 'result' in call(peer, 1, 'hello', HELLO)
    send(peer, data)
    outcomes.append(rest(peer))
    peer.close()
    time.sleep(0.05)
tell(outcomes)
`;
  const gains = await mount(z.array(gainSchema), verified, script, rig.endpoint);
  expect(gains.length).toBeGreaterThan(0);
  return sameOutcome(gains.map(outcomeOf));
}

/** Requests of a verified client that are each refused alone: the codes, and whether it is still served after them. */
async function refusals(requests: string): Promise<readonly string[]> {
  const script = `
peer = connect()
assert admit(peer)[0] and 'result' in call(peer, 1, 'hello', HELLO)
codes = []
for number, (method, params) in enumerate(${requests}, 2):
    codes.append(code_of(call(peer, number, method, params)) or 'answered')
assert 'result' in call(peer, 9999, 'extension.list')
tell(codes)
`;
  return mount(z.array(z.string()), verified, script, rig.endpoint);
}

describe('[E10] what no client may send', () => {
  attack(
    () => rig,
    'framing/lengths',
    () =>
      sent(
        `[struct.pack('>I', size) + b'x' * 100 for size in (0, 1 << 20 | 1, 0x7fffffff, 0x80000000, 0xffffffff)]`,
      ),
  );

  attack(
    () => rig,
    'framing/split',
    async ({ endpoint }) => {
      const script = `
peer = connect()
first = receive(peer)
for byte in frame(first) + request(1, 'hello', HELLO) + request(2, 'extension.list'):
    peer.sendall(bytes([byte]))
values = [answer(peer, number) for number in (1, 2)]
data = request(3, 'extension.list')
for cut in range(1, len(data)):
    peer.sendall(data[:cut]); time.sleep(0.002); peer.sendall(data[cut:])
    values.append(answer(peer, 3))
    time.sleep(0.02)
tell([code_of(value) or 'answered' for value in values])
`;
      const seen = await mount(z.array(z.string()), verified, script, endpoint);
      expect(seen.length).toBeGreaterThan(50);
      return seen.every((code) => code === 'answered') ? 'served' : 'denied';
    },
  );

  attack(
    () => rig,
    'framing/garbage',
    () =>
      sent(`[message(b'garbage'), message(b'{"jsonrpc":"2.0"}'), message(b'[]'), message(b'null'), os.urandom(5000),
    message({'jsonrpc': '2.0', 'id': 2, 'result': {}}), message({'jsonrpc': '2.0', 'method': 'x', 'params': {}}),
    message([{'jsonrpc': '2.0', 'id': 2, 'method': 'extension.list'}])]`),
  );

  attack(
    () => rig,
    'framing/utf8',
    () =>
      sent(`[message(b'{"jsonrpc":"2.0","id":2,"method":"' + bad + b'","params":{}}')
    for bad in (b'\\xff', b'\\xc0\\xaf', b'\\xed\\xa0\\x80', b'\\xf4\\x90\\x80\\x80', b'\\xe2\\x82')]`),
  );

  attack(
    () => rig,
    'framing/nul',
    () =>
      sent(`[message(b'\\0' * 100), message(b'{"jsonrpc":"2.0","id":2,"method":"extension.list\\0","params":{}}'),
    message(b'{"jsonrpc":"2.0","id":2,"method":"extension.list","params":{}}\\0')]`),
  );

  attack(
    () => rig,
    'framing/nesting',
    () =>
      sent(`[message(b'{"jsonrpc":"2.0","id":2,"method":"extension.list","params":' + open * 100000 + close * 100000 + b'}')
    for open, close in ((b'[', b']'), (b'{"a":', b'}'))] + [message(b'[' * 1000000)]`),
  );

  attack(
    () => rig,
    'framing/prototype',
    async () => {
      const key = String.raw`[message(b'{"jsonrpc":"2.0","id":2,"method":"extension.list","params":{' + name + b':{"role":"administrator"}}}')
      for name in (b'"__proto__"', b'"\\u005f_proto__"')]`;
      const outcome = await sent(key);
      // Names that are dangerous elsewhere are members like any other here, and as unknown.
      const codes = await refusals(
        `[(method, {name: {'prototype': {'role': 'administrator'}}}) for name in ('constructor', 'prototype', 'toString')
        for method in ('extension.list', 'events.subscribe')] + [(name, {}) for name in ('__proto__', 'constructor', 'toString')]`,
      );
      expect(new Set(codes)).toEqual(new Set(['invalidParameters', 'unknownMethod']));
      return outcome;
    },
  );

  attack(
    () => rig,
    'framing/duplicate-keys',
    () =>
      sent(`[message(text) for text in (
    b'{"jsonrpc":"2.0","id":2,"method":"extension.list","method":"log.read","params":{}}',
    b'{"jsonrpc":"2.0","id":2,"method":"log.read","method":"extension.list","params":{}}',
    b'{"jsonrpc":"2.0","id":2,"id":3,"method":"extension.list","params":{}}')]`),
  );

  attack(
    () => rig,
    'framing/version',
    async ({ endpoint }) => {
      const script = `
def said(protocol, **more):
    peer = connect()
    assert admit(peer)[0]
    value = call(peer, 1, 'hello', {**HELLO, 'protocol': protocol, **more})
    # Whoever was not greeted has nothing else.
    assert 'error' in call(peer, 2, 'extension.list')
    peer.close()
    time.sleep(0.05)
    return [code_of(value), value['error']['data'].get('details', {}).get('update')]
tell([said({'oldest': 900, 'newest': 901}), said({'oldest': 901, 'newest': 900}), said({'oldest': 0, 'newest': 0}),
    said({'oldest': -1, 'newest': 1e308}), said({}), said(None), said('1'), said({'oldest': 1, 'newest': 1}, role='administrator')])
`;
      const schema = z.array(z.tuple([z.string(), z.string().nullable()]));
      const [future, ...others] = await mount(schema, verified, script, endpoint);
      expect(future).toEqual(['protocolVersionUnsupported', 'helper']);
      expect(others).toHaveLength(7);
      for (const [code] of others) expect(code).toBe('invalidParameters');
      return 'denied';
    },
  );

  attack(
    () => rig,
    'framing/unknown-method',
    async () => {
      const codes = await refusals(
        `[(method, {}) for method in ('shutdown', 'configurations.exec', '', '.', 'hello ', 'HELLO', 'rpc.discover', 'x' * 100, '\\x1b[2Jclear\\n')]`,
      );
      expect(new Set(codes)).toEqual(new Set(['unknownMethod']));
      return 'denied';
    },
  );

  attack(
    () => rig,
    'framing/wrong-types',
    async (attacked) => {
      const id = randomUUID();
      await using administrator = await attacked.administrator();
      const created = await administrator.call('configurations.save', {
        configuration: {
          id,
          name: 'typed',
          protocolConfiguration: {
            providerBundleIdentifier: 'org.sallyport.attack.echo',
            serverAddress: null,
          },
        },
        expectedRevision: null,
      });
      expect(created.error).toBeUndefined();
      const before = await administrator.call('configurations.load', { id });

      const requests = wrongRequests(id);
      expect(requests.length).toBeGreaterThan(400);
      const allowed: unknown[] = [];
      for (const [method, params] of requests) {
        const { error } = await administrator.call(method, params);
        if (error?.data?.code !== 'invalidParameters') allowed.push([method, params, error]);
      }
      expect(allowed).toEqual([]);
      expect((await administrator.call('configurations.load', { id })).result).toEqual(before.result);
      expect((await administrator.call('configurations.remove', { id })).error).toBeUndefined();
      expect(attacked.log.filter((line) => line.includes('failed unexpectedly'))).toEqual([]);
      return 'denied';
    },
  );
});
