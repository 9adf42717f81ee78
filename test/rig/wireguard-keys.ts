import { generateKeyPairSync, randomBytes } from 'node:crypto';

/** A Curve25519 key pair as WireGuard writes it: 32 bytes each, base64. */
export interface WireGuardKeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

export function generateKeyPair(): WireGuardKeyPair {
  const { privateKey } = generateKeyPairSync('x25519');
  const { d, x } = privateKey.export({ format: 'jwk' });
  if (d === undefined || x === undefined)
    throw new Error('This Node exports X25519 keys without their bytes.');
  return { privateKey: fromBase64Url(d), publicKey: fromBase64Url(x) };
}

export function generatePresharedKey(): string {
  return randomBytes(32).toString('base64');
}

function fromBase64Url(text: string): string {
  return Buffer.from(text, 'base64url').toString('base64');
}
