import { describe, expect, it } from 'vitest';
import { resolveHost } from './resolve-host.ts';

describe('resolveHost', () => {
  it.each(['192.0.2.1', '2001:db8::1', '::1'])('returns the literal %s as it is', async (literal) => {
    expect(await resolveHost(literal)).toEqual([literal]);
  });

  it('asks the system for a name', async () => {
    const addresses = await resolveHost('localhost');
    expect(addresses.length).toBeGreaterThan(0);
    expect(addresses.every((address) => address === '::1' || address.startsWith('127.'))).toBe(true);
  });

  it('says what to do when there is no such name', async () => {
    const refusal = resolveHost('no..such..name');
    await expect(refusal).rejects.toMatchObject({
      domain: 'ConnectionError',
      code: 'serverAddressResolutionFailed',
    });
    await expect(refusal).rejects.toThrow(/no\.\.such\.\.name could not be resolved. Check/);
  });
});
