import { randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { FormatError } from '@sallyport/shared/formats/format-error.ts';
import { formatWireGuardConf } from '@sallyport/shared/formats/wireguard-conf/format.ts';
import { parseWireGuardConf } from '@sallyport/shared/formats/wireguard-conf/parse.ts';
import { mutate, Random } from './mutator.ts';
import { mutationContext, seeds } from './wireguard-conf-corpus.ts';

const inputsPerSeed = Number(process.env['FUZZ_INPUTS'] ?? 20_000);
/** Milliseconds of processor time for one input of up to 256 KiB; a usual one takes far less than one. */
const timeBound = 1000;

/** Every piece of 16 characters of a key in the seeds; no message may hold one, however the file was torn up. */
const pieceLength = 16;
const secretPieces = new Set(
  seeds
    .flatMap(({ bytes }) => new TextDecoder().decode(bytes).match(/[A-Za-z0-9+/]{43}=/g) ?? [])
    .flatMap((key) => Array.from({ length: 44 - pieceLength }, (_, at) => key.slice(at, at + pieceLength))),
);

function holdsSecret(text: string): boolean {
  for (let at = 0; at + pieceLength <= text.length; at++) {
    if (secretPieces.has(text.slice(at, at + pieceLength))) return true;
  }
  return false;
}

interface Outcome {
  accepted: number;
  readonly refusals: Map<string, number>;
  slowest: number;
}

/** Feeds the parser; the failure of an input carries its number, so that it can be found again. */
function fuzz(seed: number): Outcome {
  const random = new Random(seed);
  const outcome: Outcome = { accepted: 0, refusals: new Map(), slowest: 0 };
  for (let index = 0; index < inputsPerSeed; index++) {
    const input = mutate(random.pick(mutationContext.seeds), random, mutationContext);
    const label = `input ${String(index)} of FUZZ_SEED=${String(seed)}`;
    const begin = process.threadCpuUsage();
    check(input, random.below(2) === 1, label, outcome);
    const { user, system } = process.threadCpuUsage(begin);
    const elapsed = (user + system) / 1000;
    outcome.slowest = Math.max(outcome.slowest, elapsed);
    if (elapsed > timeBound) throw new Error(`${label} took ${elapsed.toFixed()} ms.`);
  }
  return outcome;
}

function check(input: Uint8Array, dropScripts: boolean, label: string, outcome: Outcome): void {
  const options = { fileName: 'fuzz.conf', dropScripts };
  try {
    const conf = parseWireGuardConf(input, options);
    const again = parseWireGuardConf(new TextEncoder().encode(formatWireGuardConf(conf)), options);
    expect(again, label).toEqual({ ...conf, droppedLines: [] });
    outcome.accepted += 1;
  } catch (error) {
    if (!(error instanceof FormatError)) throw new Error(`${label} failed.`, { cause: error });
    const text = JSON.stringify(error);
    if (holdsSecret(text) || /[^ -~…]/.test(text)) {
      throw new Error(`${label} was answered with what no message may hold: ${text}`);
    }
    outcome.refusals.set(error.code, (outcome.refusals.get(error.code) ?? 0) + 1);
  }
}

describe('the parser of wg-quick files', () => {
  it.each(seeds)('takes the seed $name as it is', ({ name, bytes }) => {
    expect(parseWireGuardConf(bytes, { fileName: name, dropScripts: true }).peers.length).toBeGreaterThan(0);
  });

  it.each([
    ['the same mutations each time', 20_260_101],
    ['other mutations each time', Number(process.env['FUZZ_SEED'] ?? randomInt(2 ** 32))],
  ])(
    'takes or refuses %s',
    (title, seed) => {
      const { accepted, refusals, slowest } = fuzz(seed);
      const refused = [...refusals].map(([code, count]) => `${code} ${String(count)}`).sort();
      console.log(
        `${title}: FUZZ_SEED=${String(seed)}, accepted ${String(accepted)}, slowest ${slowest.toFixed()} ms, ` +
          `refused ${refused.join(', ')}`,
      );
      // Mutations that were all refused, or all for one reason, would prove nothing.
      expect(accepted).toBeGreaterThan(inputsPerSeed / 50);
      expect(refusals.size).toBeGreaterThan(12);
    },
    300_000,
  );
});
