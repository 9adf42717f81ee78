import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EndpointConnection } from '@sallyport/shared/client/endpoint-connection.ts';
import { EndpointError, RemoteError } from '@sallyport/shared/protocol/errors.ts';
import { encodeFrame, encodeFrames } from '@sallyport/shared/protocol/frames.ts';
import { noncePayload } from '@sallyport/shared/protocol/handshake.ts';
import { encodePayload } from '@sallyport/shared/protocol/messages.ts';
import {
  methodNames,
  methods,
  notificationNames,
  notifications,
} from '@sallyport/shared/protocol/methods.ts';
import { mutate, Random, type MutationContext } from './mutator.ts';
import { spoil, valueFor } from './schema-values.ts';

/** A helper that says anything, so that its client must bear it: a wrong answer is an error and nothing worse. */

const conversations = Math.ceil(Number(process.env['FUZZ_INPUTS'] ?? 1200) / 2);
const nonce = encodeFrame(noncePayload(new Uint8Array(32)));

let directory = '';
let server: Server;
let path = '';
/** What the next client is sent, behind the nonce or instead of it. */
let says: (socket: Socket) => void = () => undefined;
const uncaught: unknown[] = [];
const note = (error: unknown): number => uncaught.push(error);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sallyport-fuzz-'));
  path = join(directory, 'endpoint.sock');
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    says(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  process.on('unhandledRejection', note);
});

afterAll(async () => {
  process.off('unhandledRejection', note);
  server.close();
  await rm(directory, { recursive: true, force: true });
});

function hello(random: Random, spoiled: number): object {
  let result: unknown = {
    protocol: 1,
    role: 'administrator',
    extension: { identifier: 'org.sallyport.helper', version: '1', build: '1' },
    developerMode: false,
    pid: 1,
  };
  for (let count = spoiled; count > 0; count -= 1) result = spoil(result, random);
  return { jsonrpc: '2.0', id: 0, result };
}

/** A message that a helper could send, or nearly. */
function message(random: Random): object {
  const spoiled = random.below(3);
  const name = notificationNames[random.below(notificationNames.length)] ?? 'log.entry';
  const method = methodNames[random.below(methodNames.length)] ?? 'hello';
  const isNotification = random.below(2) === 0;
  let value = valueFor(isNotification ? notifications[name].params : methods[method].result, random);
  for (let count = spoiled; count > 0; count -= 1) value = spoil(value, random);
  return isNotification
    ? { jsonrpc: '2.0', method: name, params: value }
    : { jsonrpc: '2.0', id: random.below(4), result: value };
}

function isTyped(error: unknown): boolean {
  return error instanceof EndpointError || error instanceof RemoteError;
}

describe('a client of a helper that lies', () => {
  it.each([
    ['the same lies each time', 20_260_403],
    ['other lies each time', Number(process.env['FUZZ_SEED'] ?? randomInt(2 ** 32))],
  ])(
    'bears %s',
    async (_title, seed) => {
      const random = new Random(seed);
      let opened = 0;
      let refused = 0;
      for (let index = 0; index < conversations; index += 1) {
        const label = `conversation ${String(index)} of FUZZ_SEED=${String(seed)}`;
        const payloads = [hello(random, random.below(2)), message(random), message(random)].map(
          encodePayload,
        );
        const context: MutationContext = {
          seeds: [encodeFrames(payloads)],
          tokens: [
            '\0\0\0\0',
            '\0\0\0\u0001',
            '"__proto__":{},',
            '"id":null',
            '"error":{}',
            '\\ud800',
            '[[[[',
          ],
        };
        const whole = random.pick(context.seeds);
        const stream = random.below(2) === 0 ? whole : mutate(whole, random, context);
        says = (socket) => {
          socket.write(nonce);
          // Its first frame is the nonce, the second a request.
          socket.once('data', () => socket.end(stream));
        };
        try {
          const connection = await EndpointConnection.open({
            path,
            client: { name: 'fuzz', version: '1' },
            timeout: 2000,
          });
          opened += 1;
          const call = connection.call('extension.list', {}, { timeout: 500 }).catch((error: unknown) => {
            expect(isTyped(error), `${label}: ${String(error)}`).toBe(true);
          });
          expect(isTyped(await connection.closed), label).toBe(true);
          await call;
        } catch (error) {
          refused += 1;
          expect(isTyped(error), `${label}: ${String(error)}`).toBe(true);
        }
        expect(uncaught, label).toEqual([]);
      }
      console.log(`FUZZ_SEED=${String(seed)}: opened ${String(opened)}, refused ${String(refused)}`);
      expect(opened).toBeGreaterThan(conversations / 20);
      expect(refused).toBeGreaterThan(conversations / 20);
      expect(Reflect.get({}, 'polluted')).toBeUndefined();
    },
    600_000,
  );

  it('bears any beginning', async () => {
    const random = new Random(20_260_404);
    const refusal = encodeFrame(
      encodePayload({ jsonrpc: '2.0', id: null, error: { code: -32000, message: 'no', data: {} } }),
    );
    const context: MutationContext = {
      seeds: [nonce, refusal],
      tokens: ['SPNONCE1', '\0\0\0(', '{}', 'null'],
    };
    for (let index = 0; index < conversations; index += 1) {
      const stream = mutate(random.pick(context.seeds), random, context);
      says = (socket) => socket.end(stream);
      await expect(
        EndpointConnection.open({ path, client: { name: 'fuzz', version: '1' }, timeout: 2000 }),
      ).rejects.toSatisfy(isTyped, `beginning ${String(index)}`);
      expect(uncaught).toEqual([]);
    }
  }, 600_000);
});
