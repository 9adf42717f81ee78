import { randomUUID } from 'node:crypto';
import { Keychain } from '../keychain/keychain.ts';

/**
 * A process of its own that changes a keychain until it is killed (contract K5). Argument: the keychain's directory.
 *
 * Prints the number of each password once it is stored: an item whose password is its number and a filler.
 */
export const filler = 'x'.repeat(20_000);
export const provider = 'com.example.victim';

if (import.meta.main) {
  const keychain = await Keychain.open(process.argv[2] ?? '', { sealer: null, log: () => undefined });
  const items = keychain.items.of(provider);
  for (let number = 1; ; number += 1) {
    await items.setPassword('service', 'account', `${String(number)}:${filler}`);
    process.stdout.write(`${String(number)}\n`);
    const reference = randomUUID();
    await keychain.secrets.put(reference, Buffer.from(`${reference}${filler}`));
    if (number % 3 === 0) await items.deletePassword('service', 'second');
    else await items.setPassword('service', 'second', String(number));
    if (number % 20 === 0)
      for (const old of await keychain.secrets.list()) await keychain.secrets.remove(old);
  }
}
