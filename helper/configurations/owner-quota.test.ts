import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { configurationSchema, type Configuration } from '@sallyport/shared/protocol/configuration.ts';
import {
  maximumConfigurationsPerOwner,
  maximumSecretBytesPerOwner,
} from '@sallyport/shared/protocol/limits.ts';
import { OwnerQuota, type QuotaRequest } from './owner-quota.ts';

function owned(owner: number, secretReferences: string[] = []): Configuration {
  return configurationSchema.parse({
    id: randomUUID(),
    name: 'Home',
    secretReferences,
    protocolConfiguration: { providerBundleIdentifier: 'com.example.tunnel', serverAddress: null },
    revision: 1,
    owner,
    createdAt: 1,
    modifiedAt: 1,
  });
}

const request: QuotaRequest = { owner: 1000, isNew: true, secrets: new Map(), references: [], name: 'New' };
const full = Array.from({ length: maximumConfigurationsPerOwner }, () => owned(1000));

describe('what one uid may own', () => {
  const quota = new OwnerQuota(() => Promise.resolve(maximumSecretBytesPerOwner / 2));
  const secrets = new Map([[randomUUID(), new Uint8Array(100)]]);
  const held = randomUUID();

  it.each<[string, Partial<QuotaRequest>, Configuration[], boolean]>([
    ['a place that is left', {}, full.slice(1), true],
    ['one place too many', {}, full, false],
    ['no further place', { isNew: false }, full, true],
    ['a place beside those of others', { owner: 1001 }, full, true],
    ['any number for root', { owner: 0, secrets }, [...full, ...full.map(() => owned(0))], true],
    ['room that is left', { secrets }, [owned(1000, [randomUUID()])], true],
    ['too much room', { secrets }, [owned(1000, [randomUUID(), randomUUID()])], false],
    [
      'an imported secret for which room is left',
      { references: [randomUUID()] },
      [owned(1000, [held])],
      true,
    ],
    [
      'too much room for an imported secret',
      { references: [randomUUID()] },
      [owned(1000, [held, randomUUID()])],
      false,
    ],
    [
      'nothing more when it refers to what it has',
      { references: [held] },
      [owned(1000, [held, randomUUID(), randomUUID()])],
      true,
    ],
    [
      'a secret that it brings only once',
      { secrets, references: [...secrets.keys()] },
      [owned(1000, [held])],
      true,
    ],
    ['room beside that of others', { secrets }, [owned(1001, [randomUUID(), randomUUID()])], true],
  ])('is bounded: %s', async (_what, changes, configurations, may) => {
    const checked = quota.check({ ...request, ...changes }, configurations);
    if (may) await expect(checked).resolves.toBeUndefined();
    else await expect(checked).rejects.toMatchObject({ code: 'configurationInvalid' });
  });

  it('counts a secret that is not there as nothing', async () => {
    const gone = OwnerQuota.of({ path: () => Promise.reject(new Error('gone')) });
    await expect(gone.check({ ...request, secrets }, [owned(1000, [randomUUID()])])).resolves.toBeUndefined();
  });
});
