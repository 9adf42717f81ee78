import { readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import {
  containerDirectory,
  endpointPath,
  maximumSocketPathBytes,
  parseManifest,
} from '@sallyport/shared/manifest/manifest.ts';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { buildHelper } from './build-helper.ts';

const output = new URL('../dist/helper/', import.meta.url);

async function built(): Promise<string[]> {
  return await readdir(output).catch(() => []);
}

describe('a build', () => {
  it.each([
    ['without the app group', 'com.example.endpoint', /^[^.]*: endpointName must start with the app group/],
    ['that only begins like the app group', 'org.sallyportal.endpoint', /must start with the app group/],
    ['that is the app group', 'org.sallyport', /must start with the app group/],
    ['that makes too long a path', `org.sallyport.${'x'.repeat(74)}`, /longer than 107 bytes; shorten it\.$/],
  ])('[E1] is refused for an endpoint name %s, in one sentence', async (_what, endpointName, sentence) => {
    const before = await built();
    const manifest = { ...sallyportManifest, endpointName };
    await expect(buildHelper(manifest)).rejects.toMatchObject({
      domain: 'SystemExtensionError',
      code: 'validationFailed',
      message: expect.stringMatching(sentence),
    });
    expect(await built()).toEqual(before);
  });

  it('[E1] is made for an endpoint name whose path has 107 bytes', () => {
    const manifest = parseManifest({ ...sallyportManifest, endpointName: `org.sallyport.${'x'.repeat(73)}` });
    expect(endpointPath(manifest)).toHaveLength(maximumSocketPathBytes);
  });
});

describe('[E11] the two sides of an app group', () => {
  it('have directories of their own', () => {
    const helper = containerDirectory(sallyportManifest);
    expect(helper).toBe(`/var/lib/${sallyportManifest.appGroup}/${sallyportManifest.identifier}`);
    expect(endpointPath(sallyportManifest).startsWith(helper)).toBe(false);
  });
});
