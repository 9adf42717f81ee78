import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomInt } from 'node:crypto';
import { EndpointRig, grantRole } from '@sallyport/helper/testing/endpoint-rig.ts';
import { MemoryAuthority } from '@sallyport/helper/testing/memory-authority.ts';
import type { MemoryClient } from '@sallyport/helper/testing/memory-listener.ts';
import { includesRole, roleFor, type Role } from '@sallyport/shared/protocol/authorization.ts';
import { isErrorAnswer } from './endpoint-answers.ts';
import { methodNames, methods, type MethodName } from '@sallyport/shared/protocol/methods.ts';
import { mutate, Random, type MutationContext } from './mutator.ts';
import { spoil, valueFor } from './schema-values.ts';

const requests = Number(process.env['FUZZ_INPUTS'] ?? 3000);
const conversations = Math.ceil(requests / 2);
/** Milliseconds in which anything must be answered. */
const patience = 2000;

/** Fits its schema as it is; that of each role and what it may not do is checked beside. */
const callers: readonly { readonly role: Role; readonly uid: number }[] = [
  { role: 'observer', uid: 1001 },
  { role: 'container', uid: 1002 },
  { role: 'administrator', uid: 0 },
];

let directory = '';
let rig: EndpointRig;
const uncaught: unknown[] = [];
const note = (error: unknown): number => uncaught.push(error);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sallyport-fuzz-'));
  const authority = new MemoryAuthority();
  grantRole(authority, 1002, 'container');
  rig = await EndpointRig.open(directory, { authority });
  process.on('unhandledRejection', note);
  process.on('uncaughtException', note);
});

afterAll(async () => {
  process.off('unhandledRejection', note);
  process.off('uncaughtException', note);
  rig.server.stop();
  await rm(directory, { recursive: true, force: true });
});

/** A client of that uid that greeted; the one of before while it is still open. */
async function again(client: MemoryClient | undefined, uid: number): Promise<MemoryClient> {
  if (client?.closedBecause === null && client.received.length < 500) return client;
  client?.close();
  return await rig.client(uid);
}

/** Waits for the answer, or for the end of the connection. */
async function settled(client: MemoryClient, id: number): Promise<Readonly<Record<string, unknown>> | null> {
  const limit = performance.now() + patience;
  for (;;) {
    const found = client.received.filter((message) => message['id'] === id);
    if (found[0] !== undefined) {
      expect(found).toHaveLength(1);
      return found[0];
    }
    if (client.closedBecause !== null) return null;
    if (performance.now() > limit) throw new Error(`Request ${String(id)} was not answered.`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('the endpoint', () => {
  it.each([
    ['the same requests each time', 20_260_401],
    ['other requests each time', Number(process.env['FUZZ_SEED'] ?? randomInt(2 ** 32))],
  ])(
    '[E10] answers each of %s once, and gives nobody more than is theirs',
    async (_title, seed) => {
      const random = new Random(seed);
      const clients = new Map<Role, MemoryClient>();
      const outcomes = new Map<string, number>();
      for (let index = 0; index < requests; index += 1) {
        const label = `request ${String(index)} of FUZZ_SEED=${String(seed)}`;
        const { role, uid } = callers[random.below(callers.length)] ?? { role: 'observer', uid: 1001 };
        const client = await again(clients.get(role), uid);
        clients.set(role, client);
        const method: MethodName = methodNames[random.below(methodNames.length)] ?? 'hello';
        let params = valueFor(methods[method].params, random);
        for (let spoiled = random.below(4); spoiled > 0; spoiled -= 1) params = spoil(params, random);
        rig.now += 1000;
        const before = JSON.stringify(rig.configurations.list());
        const answer = await settled(client, client.send(method, params));
        const outcome =
          answer === null ? 'closed' : 'result' in answer ? 'result' : isErrorAnswer(answer, label);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        if (!includesRole(role, roleFor(method))) expect(outcome, label).not.toBe('result');
        if (outcome !== 'result') expect(JSON.stringify(rig.configurations.list()), label).toBe(before);
        expect(uncaught, label).toEqual([]);
      }
      console.log(`FUZZ_SEED=${String(seed)}:`, Object.fromEntries([...outcomes].sort()));
      // Requests that were all refused for one reason would prove nothing.
      expect(outcomes.get('result') ?? 0).toBeGreaterThan(requests / 50);
      expect(outcomes.get('EndpointError.invalidParameters') ?? 0).toBeGreaterThan(requests / 50);
      expect(outcomes.get('EndpointError.accessDenied') ?? 0).toBeGreaterThan(requests / 50);
      expect(outcomes.has('Error.error')).toBe(false);
      expect(Reflect.get({}, 'polluted')).toBeUndefined();
    },
    600_000,
  );

  it('[E10] survives whatever bytes a frame holds', async () => {
    const random = new Random(20_260_402);
    const valid = methodNames.map((method, index) =>
      new TextEncoder().encode(
        JSON.stringify({
          jsonrpc: '2.0',
          id: index + 1000,
          method,
          params: valueFor(methods[method].params, random),
        }),
      ),
    );
    const [first = new Uint8Array([0x7b, 0x7d]), ...others] = valid;
    const context: MutationContext = {
      seeds: [first, ...others],
      tokens: [
        '"__proto__":{},',
        '"id":-1',
        '"id":null',
        '"id":1e99',
        '\0',
        '\\ud800',
        '[[[[',
        '{}',
        '$/cancelRequest',
        '﻿',
      ],
    };
    let client = await rig.client();
    let closed = 0;
    for (let index = 0; index < conversations; index += 1) {
      client = await again(client, 0);
      client.sendRaw(mutate(random.pick(context.seeds), random, context));
      if (index % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (client.closedBecause !== null) closed += 1;
      expect(uncaught).toEqual([]);
    }
    expect(closed).toBeGreaterThan(conversations / 10);
    // It still serves.
    const last = await rig.client();
    expect(await last.call('extension.list')).toHaveProperty('result');
  }, 600_000);
});
