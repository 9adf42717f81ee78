/**
 * The handshake that precedes JSON-RPC: the helper sends whom it accepts a frame that nobody else has seen, and the
 * client's first frame is the same again. What came before it cannot have come from the verified program.
 */
const nonceTag = new TextEncoder().encode('SPNONCE1');

/** Bytes of the nonce's payload: eight ASCII characters of tag, then 32 random ones. */
export const noncePayloadBytes = nonceTag.byteLength + 32;

/** Whether the payload of a frame is a nonce, which is to be sent back as it is. No JSON begins like one. */
export function isNoncePayload(payload: Uint8Array): boolean {
  return payload.byteLength === noncePayloadBytes && nonceTag.every((byte, index) => payload[index] === byte);
}

/** The payload of a nonce around 32 random bytes. */
export function noncePayload(random: Uint8Array): Uint8Array {
  const payload = new Uint8Array(noncePayloadBytes);
  payload.set(nonceTag);
  payload.set(random, nonceTag.byteLength);
  return payload;
}
