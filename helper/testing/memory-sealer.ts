import { randomUUID } from 'node:crypto';
import type { KeySealer, SealedKey } from '../keychain/key-sealer.ts';
import type { Vault } from '../native/binding.d.ts';
import { native } from '../native/load.ts';

/** The in-memory twin of what seals a master key: a safe that can break, and lose what it holds. */
export class MemorySealer implements KeySealer {
  readonly #keys = new Map<string, Uint8Array>();
  readonly #protection: SealedKey['protection'];
  /** Every `seal` fails. */
  isBroken = false;
  /** Gives back another key than it was given. */
  isLying = false;
  /** How many keys it sealed. */
  sealed = 0;

  constructor(protection: SealedKey['protection'] = 'hostKey') {
    this.#protection = protection;
  }

  seal(vault: Vault): SealedKey {
    if (this.isBroken) throw new Error('The safe does not open.');
    const token = randomUUID();
    this.#keys.set(token, vault.exportKey());
    this.sealed += 1;
    return { protection: this.#protection, bytes: Buffer.from(token) };
  }

  unseal(sealed: Uint8Array): Vault {
    const key = this.#keys.get(Buffer.from(sealed).toString());
    if (key === undefined) throw new Error('The safe does not know this key.');
    return this.isLying ? native().Vault.generate() : native().Vault.open(Buffer.from(key));
  }

  /** As when the TPM was cleared. */
  loseKeys(): void {
    this.#keys.clear();
  }
}
