import { describe, expect, it } from 'vitest';
import { roleFor } from '@sallyport/shared/protocol/authorization.ts';
import { methodNames } from '@sallyport/shared/protocol/methods.ts';
import { accessDenied, type Denial } from './authorization.ts';

const denials: readonly Denial[] = ['no', 'challenge', 'busy', 'dismissed', 'absent', 'unidentified'];

describe('a denied call', () => {
  it('says for each reason what to do, in a sentence of its own', () => {
    const sentences = denials.map((reason) => {
      const error = accessDenied('session.start', 'org.example.use', reason);
      expect(error).toMatchObject({
        code: 'accessDenied',
        details: { method: 'session.start', action: 'org.example.use', reason },
      });
      expect(error.message).toMatch(/\(session\.start\).*(root|again)/);
      return error.message;
    });
    expect(new Set(sentences).size).toBe(denials.length);
  });
});

describe('the table', () => {
  it('lets an observer change nothing', () => {
    const readable = methodNames.filter((method) => roleFor(method) === 'observer');
    expect(readable.sort()).toEqual(['events.subscribe', 'extension.list', 'hello']);
  });

  it('lets only an administrator change configurations', () => {
    const changing = methodNames.filter((method) => roleFor(method) === 'administrator');
    expect(changing.sort()).toEqual([
      'configurations.remove',
      'configurations.save',
      'keychain.importIdentity',
      'log.read',
    ]);
  });
});
