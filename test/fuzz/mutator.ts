/** Numbers that look random and come again with the same seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to `limit`, without `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * limit);
  }

  pick<T>(list: readonly [T, ...T[]]): T {
    return list[this.below(list.length)] ?? list[0];
  }
}

type Mutation = (input: Uint8Array, random: Random, context: MutationContext) => Uint8Array;

export interface MutationContext {
  readonly seeds: readonly [Uint8Array, ...Uint8Array[]];
  /** Pieces that mean something in the format. */
  readonly tokens: readonly [string, ...string[]];
}

/** Bounds the growth by repeated pieces. */
const maximumLength = 300_000;

/** Changes an input one to six times. */
export function mutate(input: Uint8Array, random: Random, context: MutationContext): Uint8Array {
  let output = input;
  for (let rounds = 1 + random.below(6); rounds > 0; rounds--) {
    output = random.pick(mutations)(output, random, context).subarray(0, maximumLength);
  }
  return output;
}

const mutations: readonly [Mutation, ...Mutation[]] = [
  function flipBit(input, random) {
    const output = input.slice();
    const at = random.below(input.length);
    output[at] = (output[at] ?? 0) ^ (1 << random.below(8));
    return output;
  },
  function changeByte(input, random) {
    const output = input.slice();
    output[random.below(input.length)] = random.below(256);
    return output;
  },
  function changeDigit(input, random) {
    const digits = [...input.entries()].filter(([, byte]) => byte >= 0x30 && byte <= 0x39);
    const output = input.slice();
    output[digits[random.below(digits.length)]?.[0] ?? 0] = 0x30 + random.below(10);
    return output;
  },
  function removePiece(input, random) {
    const [start, end] = range(input, random);
    return replace(input, start, end, new Uint8Array());
  },
  function repeatPiece(input, random) {
    const [start, end] = range(input, random);
    const piece = input.subarray(start, end);
    const times = random.below(random.pick([3, 3, 3, 2000]));
    return replace(input, end, end, join(Array.from({ length: times }, () => piece)));
  },
  function truncate(input, random) {
    return input.slice(0, random.below(input.length + 1));
  },
  function insertToken(input, random, { tokens }) {
    const at = random.below(input.length + 1);
    return replace(input, at, at, encode(random.pick(tokens)));
  },
  function replaceByToken(input, random, { tokens }) {
    const [start, end] = range(input, random);
    return replace(input, start, end, encode(random.pick(tokens)));
  },
  function splice(input, random, { seeds }) {
    const other = random.pick(seeds);
    return join([input.subarray(0, random.below(input.length)), other.subarray(random.below(other.length))]);
  },
  function moveLine(input, random) {
    const lines = new TextDecoder('latin1').decode(input).split('\n');
    const [line = ''] = lines.splice(random.below(lines.length), 1);
    lines.splice(random.below(lines.length + 1), 0, line);
    return Uint8Array.from(lines.join('\n'), (character) => character.charCodeAt(0));
  },
  function copyLine(input, random, { seeds }) {
    const lines = new TextDecoder('latin1').decode(random.pick(seeds)).split('\n');
    const line = `${lines[random.below(lines.length)] ?? ''}\n`;
    const start = input.indexOf(0x0a, random.below(input.length)) + 1;
    return replace(
      input,
      start,
      start,
      Uint8Array.from(line, (character) => character.charCodeAt(0)),
    );
  },
];

/** A piece of the input, mostly a short one. */
function range(input: Uint8Array, random: Random): [start: number, end: number] {
  const start = random.below(input.length + 1);
  const length = random.below(random.pick([2, 8, 8, 40, input.length + 1]));
  return [start, Math.min(input.length, start + length)];
}

function replace(input: Uint8Array, start: number, end: number, by: Uint8Array): Uint8Array {
  return join([input.subarray(0, start), by, input.subarray(end)]);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const output = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    output.set(part, at);
    at += part.length;
  }
  return output;
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
