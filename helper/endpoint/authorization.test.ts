import { describe, expect, it } from 'vitest';
import { methodNames, methods, roles } from '@sallyport/shared/protocol/methods.ts';
import { authorize } from './authorization.ts';

const matrix = methodNames.flatMap((method) =>
  roles.map((role) => {
    const needed = methods[method].role;
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
        details: { method, role, needed: methods[method].role },
      }),
    );
  });

  it('lets an observer change nothing', () => {
    const readable = methodNames.filter((method) => methods[method].role === 'observer');
    expect(readable.sort()).toEqual(['events.subscribe', 'extension.list', 'hello']);
  });

  it('lets only an administrator change configurations', () => {
    const changing = methodNames.filter((method) => methods[method].role === 'administrator');
    expect(changing.sort()).toEqual(['configurations.remove', 'configurations.save']);
  });
});
