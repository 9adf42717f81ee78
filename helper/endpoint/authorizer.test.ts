import { beforeEach, describe, expect, it } from 'vitest';
import {
  actions,
  authorizationTable,
  unattendedMethods,
  type ActionName,
} from '@sallyport/shared/protocol/authorization.ts';
import { methodNames } from '@sallyport/shared/protocol/methods.ts';
import { MemoryAuthority } from '../testing/memory-authority.ts';
import { rootPeer } from '../testing/memory-listener.ts';
import { answerLifetime, Authorizer, ChangedProcessError, type Subject } from './authorizer.ts';

const never = new AbortController().signal;

let authority: MemoryAuthority;
let authorizer: Authorizer;
let now: number;
let unchanged: boolean;
let log: string[];

function make(isDeveloper = false): Authorizer {
  return new Authorizer({
    authority,
    extensionIdentifier: 'com.example',
    isDeveloper,
    log: (level, message) => log.push(`${level} ${message}`),
    isUnchanged: () => unchanged,
    now: () => now,
  });
}

function subject(uid: number, connection = 1, startTime: string | null = '77'): Subject {
  return { connection, peer: { ...rootPeer, uid, pid: 42, startTime } };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

beforeEach(() => {
  authority = new MemoryAuthority();
  now = 0;
  unchanged = true;
  log = [];
  authorizer = make();
});

describe('every method', () => {
  const matrix = methodNames.flatMap((method) =>
    (['yes', 'no', 'challenge', 'busy', 'dismissed', 'absent'] as const).map((answer) => ({
      method,
      answer,
    })),
  );

  it.each(matrix)('$method when polkit says $answer', async ({ method, answer }) => {
    const action: ActionName | null = authorizationTable[method];
    if (answer === 'absent') authority.setAbsent(true);
    authority.answer(1000, answer);
    const call = authorizer.authorize(subject(1000), method, never);
    if (action === null || answer === 'yes') await expect(call).resolves.toBeUndefined();
    else {
      await expect(call).rejects.toMatchObject({
        code: 'accessDenied',
        details: { method, action: `com.example.${action}`, reason: answer },
      });
    }
    expect(authority.asked).toEqual(
      action === null
        ? []
        : [
            {
              subject: { pid: 42, uid: 1000, startTime: '77' },
              actionId: `com.example.${action}`,
              interactive: !unattendedMethods.has(method),
            },
          ],
    );
  });

  it.each(methodNames)('%s asks nobody about root, nor in developer mode', async (method) => {
    authority.setAbsent(true);
    await authorizer.authorize(subject(0), method, never);
    await make(true).authorize(subject(1000), method, never);
    expect(authority.asked).toEqual([]);
  });
});

describe('the role without a password', () => {
  it.each([
    ['observer', [], false],
    ['container', ['use'], false],
    ['administrator', ['use', 'configure'], true],
  ] as const)('is %s for who may %j', async (role, granted, mayConfigure) => {
    for (const action of granted) authority.answer(1000, 'yes', `com.example.${action}`);
    expect(await authorizer.role(subject(1000), true)).toBe(role);
    expect(await authorizer.mayConfigure(subject(1000))).toBe(mayConfigure);
    expect(authority.asked.every(({ interactive }) => !interactive)).toBe(true);
  });

  it('is observer where there is no polkit, and administrator for root', async () => {
    authority.setAbsent(true);
    expect(await authorizer.role(subject(1000), true)).toBe('observer');
    expect(await authorizer.role(subject(0), true)).toBe('administrator');
  });
});

describe('a process', () => {
  it('that runs something else by now is not asked about', async () => {
    authority.answer(1000, 'yes');
    unchanged = false;
    await expect(authorizer.authorize(subject(1000), 'session.start', never)).rejects.toThrow(
      ChangedProcessError,
    );
    expect(authority.asked).toEqual([]);
  });

  it('that became something else while a password was typed gains nothing', async () => {
    authority.hold(1000, 'com.example.configure');
    const call = authorizer.authorize(subject(1000), 'configurations.save', never);
    await settle();
    unchanged = false;
    authority.answer(1000, 'yes', 'com.example.configure');
    await expect(call).rejects.toThrow(ChangedProcessError);
  });

  it('that became something else does not live on an answer that is remembered', async () => {
    authority.answer(1000, 'yes');
    await authorizer.authorize(subject(1000), 'session.start', never);
    unchanged = false;
    await expect(authorizer.authorize(subject(1000), 'session.start', never)).rejects.toThrow(
      ChangedProcessError,
    );
  });

  it('whose start is not known cannot be named to polkit', async () => {
    authority.answer(1000, 'yes');
    await expect(authorizer.authorize(subject(1000, 1, null), 'session.start', never)).rejects.toMatchObject({
      details: { reason: 'unidentified' },
    });
    expect(authority.asked).toEqual([]);
  });
});

describe('an answer', () => {
  it('counts for five seconds on its connection when it is for using', async () => {
    authority.answer(1000, 'yes');
    await authorizer.authorize(subject(1000), 'session.start', never);
    now = answerLifetime - 1;
    await authorizer.authorize(subject(1000), 'session.stop', never);
    expect(authority.asked).toHaveLength(1);
    await authorizer.authorize(subject(1000, 2), 'session.stop', never);
    expect(authority.asked).toHaveLength(2);
    authority.answer(1000, 'no');
    now = answerLifetime;
    await expect(authorizer.authorize(subject(1000), 'session.stop', never)).rejects.toMatchObject({
      details: { reason: 'no' },
    });
  });

  it('never counts twice when it is an administrator’s', async () => {
    authority.answer(1000, 'yes');
    await authorizer.authorize(subject(1000), 'configurations.remove', never);
    authority.answer(1000, 'no');
    await expect(authorizer.authorize(subject(1000), 'configurations.remove', never)).rejects.toMatchObject({
      code: 'accessDenied',
    });
  });

  it('that is no is not remembered', async () => {
    authority.answer(1000, 'no');
    await expect(authorizer.authorize(subject(1000), 'session.start', never)).rejects.toThrow();
    authority.answer(1000, 'yes');
    await authorizer.authorize(subject(1000), 'session.start', never);
  });

  it('is logged once, and again when it changes', async () => {
    const call = (): Promise<unknown> =>
      authorizer.authorize(subject(1000), 'session.start', never).catch(() => undefined);
    for (const answer of ['yes', 'yes', 'no', 'no', 'yes'] as const) {
      authority.answer(1000, answer);
      await call();
      now += answerLifetime;
    }
    expect(log).toEqual([
      'info A client was allowed to use.',
      'notice A client was not allowed to use: no.',
      'info A client was allowed to use.',
    ]);
  });
});

describe('open questions', () => {
  const use = 'com.example.use';

  it('are shared by calls that wait for the same answer, in their order', async () => {
    authority.hold(1000, use);
    const order: number[] = [];
    const calls = [1, 2, 3].map((number) =>
      authorizer.authorize(subject(1000), 'session.start', never).then(() => order.push(number)),
    );
    await settle();
    expect(authority.openDialogs).toBe(1);
    authority.answer(1000, 'yes', use);
    await Promise.all(calls);
    expect(order).toEqual([1, 2, 3]);
    expect(authority.asked).toHaveLength(1);
  });

  it('are taken back when everybody who waits has gone, and not before', async () => {
    authority.hold(1000, use);
    const [first, second] = [new AbortController(), new AbortController()];
    const calls = [first, second].map(({ signal }) =>
      authorizer.authorize(subject(1000), 'session.start', signal).catch((error: unknown) => String(error)),
    );
    await settle();
    first.abort(new Error('gone'));
    expect(await calls[0]).toBe('Error: gone');
    expect(authority.openDialogs).toBe(1);
    second.abort(new Error('gone too'));
    expect(await calls[1]).toBe('Error: gone too');
    await settle();
    expect(authority.openDialogs).toBe(0);
  });

  it('are taken back when the connection ends', async () => {
    authority.hold(1000, use);
    const call = authorizer.authorize(subject(1000), 'session.start', never);
    await settle();
    authorizer.forget(1);
    await expect(call).rejects.toThrow();
    await settle();
    expect(authority.openDialogs).toBe(0);
  });

  it('are at most four a connection and eight a uid', async () => {
    const uids = [1000, 1001, 1002];
    for (const uid of uids) authority.hold(uid, 'com.example.configure');
    const outcomes: string[] = [];
    const calls = uids.flatMap((uid) =>
      [0, 1, 2].flatMap((connection) =>
        Array.from({ length: 5 }, () =>
          authorizer
            .authorize(subject(uid, uid * 10 + connection), 'configurations.save', never)
            .catch((error: unknown) => outcomes.push(String(error).slice(0, 31))),
        ),
      ),
    );
    await settle();
    expect(authority.openDialogs).toBe(24);
    expect(outcomes).toHaveLength(uids.length * 15 - 24);
    expect(new Set(outcomes)).toEqual(new Set(['EndpointError: Too many questio']));
    for (const uid of uids) authority.answer(uid, 'yes', 'com.example.configure');
    await Promise.all(calls);
    await authorizer.authorize(subject(1000, 1), 'configurations.save', never);
  });

  it('of some uids, left open, keep nobody else from being asked about', async () => {
    for (let uid = 1000; uid < 1010; uid += 1) {
      authority.hold(uid, 'com.example.configure');
      for (let count = 0; count < 4; count += 1) {
        authorizer.authorize(subject(uid, uid), 'configurations.save', never).catch(() => undefined);
      }
    }
    await settle();
    expect(authority.openDialogs).toBe(40);
    authority.answer(2000, 'yes', use);
    await authorizer.authorize(subject(2000, 1), 'session.start', never);
    expect(await authorizer.role(subject(2000, 2), true)).toBe('container');
  });

  it('that can be no dialog are not counted', async () => {
    authority.answer(1000, 'yes', use);
    const roles = Array.from({ length: 30 }, (_, connection) =>
      authorizer.role(subject(1000, connection), true),
    );
    expect(new Set(await Promise.all(roles))).toEqual(new Set(['container']));
  });

  it.each([...unattendedMethods])(
    'are no dialog for %s, which programs call by themselves',
    async (method) => {
      authority.hold(1000, use);
      await expect(authorizer.authorize(subject(1000), method, never)).rejects.toMatchObject({
        details: { reason: 'challenge' },
      });
    },
  );

  it('about a connection that has ended leave nothing behind', async () => {
    authority.answer(1000, 'yes');
    await authorizer.authorize(subject(1000), 'session.start', never);
    expect(authorizer.size).toBe(1);
    authorizer.forget(1);
    unchanged = false;
    await expect(authorizer.mayConfigure(subject(1000))).rejects.toThrow(ChangedProcessError);
    expect(authorizer.size).toBe(0);
  });
});

it('the table needs no action that is not defined', () => {
  const used = new Set(Object.values(authorizationTable).filter((action) => action !== null));
  expect([...used].sort()).toEqual(Object.keys(actions).sort());
});
