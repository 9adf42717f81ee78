import { expect, it } from 'vitest';
import { isNoncePayload, noncePayload, noncePayloadBytes } from './handshake.ts';

it('tells a nonce from everything else', () => {
  const nonce = noncePayload(new Uint8Array(32).fill(7));
  expect(nonce.byteLength).toBe(40);
  expect(new TextDecoder().decode(nonce.subarray(0, 8))).toBe('SPNONCE1');
  expect(isNoncePayload(nonce)).toBe(true);
  expect(isNoncePayload(nonce.subarray(0, 39))).toBe(false);
  expect(isNoncePayload(Uint8Array.of(...nonce, 0))).toBe(false);
  expect(isNoncePayload(new Uint8Array(noncePayloadBytes))).toBe(false);
  expect(isNoncePayload(new Uint8Array())).toBe(false);
});
