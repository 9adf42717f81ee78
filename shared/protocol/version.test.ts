import { describe, expect, it } from 'vitest';
import { checkAgreed, negotiate, protocolVersions, type VersionRange } from './version.ts';

/** What a build of a version speaks: it and the one before. */
function build(version: number): VersionRange {
  return { oldest: Math.max(1, version - 1), newest: version };
}

function failureOf(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return null;
}

describe('[E9] versions', () => {
  const pairs = [1, 2, 3, 4, 5].flatMap((client) => [1, 2, 3, 4, 5].map((helper) => ({ client, helper })));

  it.each(pairs)('of a client $client and a helper $helper', ({ client, helper }) => {
    if (Math.abs(client - helper) <= 1) {
      const agreed = negotiate(build(client), build(helper));
      expect(agreed).toBe(Math.min(client, helper));
      expect(
        failureOf(() => {
          checkAgreed(agreed, build(client));
        }),
      ).toBeNull();
      return;
    }
    const update = client < helper ? 'client' : 'helper';
    const error = failureOf(() => negotiate(build(client), build(helper)));
    expect(error).toMatchObject({ code: 'protocolVersionUnsupported', details: { update } });
    expect(error).toHaveProperty(
      'message',
      expect.stringMatching(/^(This program|The system extension) is older/),
    );
    // A helper that chose such a version all the same gets the same verdict from the client.
    const theirs = failureOf(() => {
      checkAgreed(helper, build(client));
    });
    expect(theirs).toMatchObject({ code: 'protocolVersionUnsupported', details: { update } });
    expect(String(theirs).split('(')[0]).toBe(String(error).split('(')[0]);
  });

  it('refuses a range that holds nothing', () => {
    expect(failureOf(() => negotiate({ oldest: 2, newest: 1 }, protocolVersions))).toMatchObject({
      code: 'invalidParameters',
    });
  });

  it('this build speaks its own version and at most the one before', () => {
    expect(protocolVersions.newest - protocolVersions.oldest).toBeLessThanOrEqual(1);
    expect(protocolVersions.oldest).toBeGreaterThanOrEqual(1);
  });
});
