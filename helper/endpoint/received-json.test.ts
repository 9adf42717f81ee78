import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maximumFrameBytes, maximumJsonDepth } from '@sallyport/shared/protocol/limits.ts';
import { decodeReceived, ForbiddenJsonError } from './received-json.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('received JSON', () => {
  it('is what JSON.parse makes of it', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 10 }), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!text.includes('"__proto__"'));
        expect(decodeReceived(encode(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each(['[', '{"a":', '[{"a":'])('may not be nested without end: %s', (opening) => {
    const endless = encode(opening.repeat(Math.floor(maximumFrameBytes / opening.length)));
    expect(() => decodeReceived(endless)).toThrow(ForbiddenJsonError);
  });

  it('may be nested as deeply as allowed and no deeper', () => {
    const nested = (depth: number): Uint8Array => encode('['.repeat(depth) + ']'.repeat(depth));
    expect(decodeReceived(nested(maximumJsonDepth))).toBeInstanceOf(Array);
    expect(() => decodeReceived(nested(maximumJsonDepth + 1))).toThrow(/nested/);
  });

  it.each(['{"a":1,"a":1}', '{"a":{"b":1,"c":[{"d":1,"\\u0064":2}]}}', '{"id":1,"method":"x","id":2}'])(
    'may name a member only once: %s',
    (text) => {
      expect(() => decodeReceived(encode(text))).toThrow(/twice/);
    },
  );

  it.each(['{"__proto__":1}', '{"a":[{"__proto__":{"role":"administrator"}}]}', '{"\\u005f_proto__":1}'])(
    'may not name a member __proto__: %s',
    (text) => {
      expect(() => decodeReceived(encode(text))).toThrow(/__proto__/);
    },
  );

  it('takes brackets, colons and quotes within strings for what they are', () => {
    const value = { 'a:b{[': '\\"}]:,{"', c: ['"', '\\', ':'.repeat(100), '['.repeat(1000)] };
    expect(decodeReceived(encode(JSON.stringify(value)))).toEqual(value);
  });

  it.each([[0xff], [0x22, 0xc3, 0x22], [0], [0x22, 0, 0x22], [], [0x22, 0x5c]])(
    'must be JSON in UTF-8: %j',
    (...bytes) => {
      expect(() => decodeReceived(new Uint8Array(bytes))).toThrow();
    },
  );
});
