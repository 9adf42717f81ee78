import { describe, expect, it } from 'vitest';
import { roleFor, roles } from '@sallyport/shared/protocol/authorization.ts';
import { methodNames } from '@sallyport/shared/protocol/methods.ts';
import { authorize } from './authorization.ts';

const matrix = methodNames.flatMap((method) =>
  roles.map((role) => {
    const needed = roleFor(method);
    const may =
      role === needed || role === 'administrator' || (role === 'container' && needed === 'observer');
    return { method, role, may };
  }),
);

describe('authorization', () => {
  it.each(matrix)('$method as $role: $may', ({ method, role, may }) => {
    if (may) {
      expect(() => {
        authorize(method, role);
      }).not.toThrow();
      return;
    }
    expect(() => {
      authorize(method, role);
    }).toThrow(
      expect.objectContaining({
        domain: 'EndpointError',
        code: 'accessDenied',
        message: expect.stringMatching(/(with sudo|command line)\.$/),
        details: { method, role, needed: roleFor(method) },
      }),
    );
  });

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
