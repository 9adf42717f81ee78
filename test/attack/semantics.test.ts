import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import * as z from 'zod';
import { waitUntil } from '../rig/wait.ts';
import type { Agent } from './rig/agent.ts';
import { attack, outcomeOf } from './rig/attack.ts';
import { AttackRig, trusted, uids } from './rig/attack-rig.ts';
import { gainSchema, mount } from './rig/attacker.ts';
import { codeOf, echoDraft, save, saved } from './rig/drafts.ts';

/** Messages that are right one by one, in an order that makes no sense. */

let rig: AttackRig;
let agent: Agent;
const verified = { uid: uids.attacker, executable: trusted.client };
const root = { uid: 0, executable: trusted.client };

beforeAll(async () => {
  rig = await AttackRig.start();
  agent = await rig.administrator();
});

afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

attack(
  () => rig,
  'semantics/ids',
  async ({ endpoint }) => {
    const script = `
peer = connect()
assert admit(peer)[0] and 'result' in call(peer, 1, 'hello', HELLO)
numbers = [5, 0, 4294967296, 3, 2, 1, 2**53 - 1]
seen = []
for _ in range(3):
    peer.sendall(b''.join(request(number, 'extension.list') for number in numbers))
    answers = [json.loads(receive(peer)) for _ in numbers]
    assert sorted(value['id'] for value in answers) == sorted(numbers), answers
    seen += answers
tell([code_of(value) or 'answered' for value in seen])
`;
    const codes = await mount(z.array(z.string()), verified, script, endpoint);
    return codes.every((code) => code === 'answered') ? 'served' : 'denied';
  },
);

attack(
  () => rig,
  'semantics/ids-in-flight',
  async ({ endpoint }) => {
    const script = `
peer = connect()
assert admit(peer)[0] and 'result' in call(peer, 1, 'hello', HELLO)
peer.sendall(request(7, 'extension.list') * 10)
got = rest(peer)
# As many answers as there were questions, at the most.
assert len(got['answered']) <= 1, got
tell({**got, 'answered': []})
`;
    return outcomeOf(await mount(gainSchema, verified, script, endpoint));
  },
);

attack(
  () => rig,
  'semantics/cancel-after-reply',
  async ({ endpoint }) => {
    const script = `
peer = connect()
assert admit(peer)[0] and 'result' in call(peer, 1, 'hello', HELLO)
def cancel(number): return message({'jsonrpc': '2.0', 'method': '$/cancelRequest', 'params': {'id': number}})
peer.sendall(b''.join(cancel(number) for number in (1, 1, 7, 0, 2**53 - 1)))
codes = []
for number in range(2, 30):
    codes.append(code_of(call(peer, number, 'extension.list')) or 'answered')
    peer.sendall(cancel(number) + cancel(number) + cancel(number + 1))
# Twice before it is looked at.
peer.sendall(request(50, 'extension.list') + cancel(50) * 5)
assert answer(peer, 50) is not None
peer.sendall(request(51, 'extension.list') + cancel(51))
peer.close()
tell(codes)
`;
    const codes = await mount(z.array(z.string()), verified, script, endpoint);
    // A cancellation that comes early names a request that is not there yet: it counts for nothing.
    return codes.every((code) => code === 'answered') ? 'served' : 'denied';
  },
);

attack(
  () => rig,
  'semantics/use-after-stop',
  async () => {
    const id = await saved(agent);
    const message = { id, message: 'AAAA', timeout: 1000 };
    expect(codeOf(await agent.call('session.sendProviderMessage', message))).toBe('sessionNotRunning');
    expect(codeOf(await agent.call('session.start', { id }))).toBe('answered');
    await waitUntil(
      'the session to run',
      async () => codeOf(await agent.call('session.sendProviderMessage', message)) === 'answered',
    );
    expect(codeOf(await agent.call('session.stop', { id }))).toBe('answered');
    await waitUntil('the session to end', async () => {
      const code = codeOf(await agent.call('session.sendProviderMessage', message));
      expect(['answered', 'sessionNotRunning', 'stopped']).toContain(code);
      return code === 'sessionNotRunning';
    });
    for (const method of ['session.stop', 'session.stop']) await agent.call(method, { id });
    expect((await agent.call('session.statistics', { id })).result).toEqual({ statistics: null });
    expect(codeOf(await agent.call('configurations.remove', { id }))).toBe('answered');
    for (const method of ['session.start', 'session.stop', 'configurations.load', 'configurations.remove']) {
      expect([method, codeOf(await agent.call(method, { id }))]).toEqual([method, 'configurationUnknown']);
    }
    expect(codeOf(await agent.call('session.sendProviderMessage', message))).not.toBe('answered');
    return 'denied';
  },
);

attack(
  () => rig,
  'semantics/vanishing-client',
  async (attacked) => {
    // Goes away at another moment each time: before its frame is whole, behind it, amid the answer.
    const script = `
number = 0
for pause in [None, 0, 0, 0.0005, 0.001, 0.002, 0.004, 0.008]:
    peer = connect()
    assert admit(peer)[0] and 'result' in call(peer, 1, 'hello', HELLO)
    reference = str(uuid.uuid4())
    value = draft(name='vanishing %d' % number, secretReferences=[reference])
    value['protocolConfiguration']['providerConfiguration'] = {'text': 'x' * 20000}
    value['protocolConfiguration']['passwordReference'] = reference
    data = request(2, 'configurations.save', {'configuration': value, 'expectedRevision': None, 'secrets': {reference: 'c2VjcmV0'}})
    peer.sendall(data[:-1] if pause is None else data)
    if pause: time.sleep(pause)
    peer.close()
    number += 1
tell(number)
`;
    const secretsBefore = await secretFiles(attacked);
    const count = await mount(z.int(), root, script, attacked.endpoint);
    expect(count).toBe(8);
    const listSchema = z.object({
      configurations: z.array(
        z.object({
          id: z.string(),
          name: z.string(),
          secretReferences: z.array(z.string()),
          protocolConfiguration: z.unknown(),
        }),
      ),
    });
    const list = async () => {
      const { result } = await agent.call('configurations.list');
      return listSchema.parse(result).configurations.filter(({ name }) => name.startsWith('vanishing'));
    };
    // A save whose client is gone may still be at work: nothing has changed for a while when the last one is over.
    let stored = await list();
    let seen = '';
    await waitUntil(
      'the last save to be over',
      async () => {
        const before = seen;
        stored = await list();
        seen = [stored.length, ...(await secretFiles(attacked))].join();
        return seen === before;
      },
      5000,
      300,
    );
    // One whose frame was cut is not there; of the others each is there whole, with its secret, or not at all.
    expect(stored.map(({ name }) => name)).not.toContain('vanishing 0');
    for (const one of stored) expect(JSON.stringify(one.protocolConfiguration)).toContain('x'.repeat(20_000));
    expect((await secretFiles(attacked)).length - secretsBefore.length).toBe(stored.length);
    for (const { id } of stored)
      expect(codeOf(await agent.call('configurations.remove', { id }))).toBe('answered');
    expect(await secretFiles(attacked)).toEqual(secretsBefore);
    return 'allOrNothing';
  },
);

attack(
  () => rig,
  'semantics/two-administrators',
  async (attacked) => {
    await using other = await attacked.administrator();
    const draft = echoDraft();
    expect(codeOf(await save(agent, draft))).toBe('answered');
    for (let revision = 1; revision < 20; revision += 1) {
      const both = await Promise.all([
        save(agent, { ...draft, name: `ours ${String(revision)}` }, revision),
        save(other, { ...draft, name: `theirs ${String(revision)}` }, revision),
      ]);
      expect(both.map(codeOf).toSorted()).toEqual(['answered', 'configurationStale']);
    }
    expect(codeOf(await other.call('configurations.remove', { id: draft.id }))).toBe('answered');
    expect(codeOf(await save(agent, draft, 20))).toBe('configurationUnknown');
    return 'oneWins';
  },
);

/** What the store of secrets has on disk. */
async function secretFiles({ state }: AttackRig): Promise<readonly string[]> {
  return (await readdir(join(state, 'helper', 'secrets'))).toSorted();
}
