import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { AuthorityAnswer } from '../endpoint/authority.ts';
import type { PolkitAnswer, PolkitQuestion } from '../native/binding.d.ts';
import {
  maximumDialogs,
  maximumDialogsPerUid,
  maximumQuestions,
  PolkitAuthority,
} from './polkit-authority.ts';

/** The binding's twin: a test answers by hand. */
class Connection {
  readonly open = new Map<number, PolkitQuestion>();
  readonly cancelled: number[] = [];
  isStopped = false;
  refuses = false;

  check(id: number, question: PolkitQuestion): void {
    if (this.refuses) throw new Error('polkit knows no uid 4294967295');
    this.open.set(id, question);
  }

  cancel(id: number): void {
    this.cancelled.push(id);
  }

  stop(): void {
    this.isStopped = true;
  }
}

let connection: Connection;
let answer: (answer: PolkitAnswer) => void;
let authority: PolkitAuthority;
let logged: string[];

beforeEach(() => {
  vi.useFakeTimers();
  logged = [];
  connection = new Connection();
  authority = new PolkitAuthority(
    (level, message) => logged.push(`${level} ${message}`),
    (onAnswer) => {
      answer = onAnswer;
      return connection;
    },
  );
});

afterEach(() => {
  vi.useRealTimers();
});

const subject = { pid: 7, uid: 1000, startTime: '12345' };

function ask(interactive: boolean, signal?: AbortSignal, uid = 1000): Promise<AuthorityAnswer> {
  const question = { subject: { ...subject, uid }, actionId: 'org.example.use', interactive };
  return authority.check(signal === undefined ? question : { ...question, signal });
}

/** Answers the questions that are before polkit. */
function answerAll(outcome: PolkitAnswer['outcome'], message = ''): void {
  for (const id of [...connection.open.keys()]) {
    connection.open.delete(id);
    answer({ id, outcome, message });
  }
}

describe('an answer', () => {
  test('that refuses to decide is logged once, and again after polkit decided', async () => {
    for (const outcome of ['refused', 'refused', 'denied', 'refused'] as const) {
      const answered = ask(true);
      answerAll(outcome, 'the action is not registered');
      await answered;
    }
    expect(logged).toEqual(Array(2).fill('warning polkit refused to decide.'));
  });

  test.each<[PolkitAnswer['outcome'], AuthorityAnswer]>([
    ['authorized', 'yes'],
    ['challenge', 'challenge'],
    ['denied', 'no'],
    ['dismissed', 'dismissed'],
    ['refused', 'no'],
    ['failed', 'absent'],
  ])('%s of polkit’s is %s', async (outcome, expected) => {
    const answered = ask(true);
    expect([...connection.open.values()]).toEqual([
      { ...subject, actionId: 'org.example.use', interactive: true },
    ]);
    answerAll(outcome);
    expect(await answered).toBe(expected);
  });

  test('to a question that was taken back is ignored', async () => {
    const controller = new AbortController();
    const answered = ask(true, controller.signal);
    controller.abort();
    expect(connection.cancelled).toEqual([...connection.open.keys()]);
    answerAll('authorized');
    expect(await answered).toBe('dismissed');
  });

  test.each([2 ** 31, 2 ** 32 - 1])('about uid %d, which polkit cannot know, is no', async (uid) => {
    expect([await ask(true, undefined, uid), await ask(false, undefined, uid)]).toEqual(['no', 'no']);
    expect(connection.open.size).toBe(0);
    expect(logged).toEqual([]);
    void ask(true, undefined, 2 ** 31 - 1);
    expect(connection.open.size).toBe(1);
  });

  test('without a dialog is no less for want of room', async () => {
    const dialogs = Array.from({ length: maximumDialogsPerUid + 1 }, () => ask(true));
    const quiet = ask(false);
    for (const [id, { interactive }] of connection.open) {
      if (!interactive) answer({ id, outcome: 'challenge', message: '' });
    }
    expect([await dialogs.at(-1), await quiet]).toEqual(['busy', 'challenge']);
  });

  test('that cannot be had is absent', async () => {
    connection.refuses = true;
    expect(await ask(false)).toBe('absent');
    expect(logged).toHaveLength(1);
  });
});

describe('deadlines', () => {
  test('without a dialog polkit has 5 s', async () => {
    const answered = ask(false);
    await vi.advanceTimersByTimeAsync(5000);
    expect(await answered).toBe('absent');
    expect(connection.cancelled).toHaveLength(1);
  });

  test('a dialog closes after 5 minutes', async () => {
    const answered = ask(true);
    await vi.advanceTimersByTimeAsync(299_999);
    expect(connection.cancelled).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(await answered).toBe('dismissed');
    expect(connection.cancelled).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('bounds', () => {
  test('dialogs over the bound are asked without one', async () => {
    const dialogs = Array.from({ length: maximumDialogs + 1 }, (_, index) => ask(true, undefined, index));
    const interactive = [...connection.open.values()].map((question) => question.interactive);
    expect(interactive).toEqual([...Array<boolean>(maximumDialogs).fill(true), false]);
    answerAll('challenge');
    // The last one would have been a dialog; the others were, and nobody was there to see them.
    expect(await Promise.all(dialogs)).toEqual([...Array<string>(maximumDialogs).fill('challenge'), 'busy']);
    void ask(true);
    expect([...connection.open.values()].map((question) => question.interactive)).toEqual([true]);
  });

  test('a uid that has its share of dialogs open keeps nobody else from being asked', () => {
    for (let count = 0; count < maximumDialogsPerUid + 1; count += 1) void ask(true);
    void ask(true, undefined, 1001);
    const interactive = [...connection.open.values()].map((question) => question.interactive);
    expect(interactive).toEqual([...Array<boolean>(maximumDialogsPerUid).fill(true), false, true]);
  });

  test('other questions wait for their turn, in order, and dialogs do not wait for them', async () => {
    const questions = Array.from({ length: maximumQuestions + 2 }, () => ask(false));
    expect(connection.open.size).toBe(maximumQuestions);
    void ask(true);
    expect(connection.open.size).toBe(maximumQuestions + 1);
    const [first = 0] = connection.open.keys();
    connection.open.delete(first);
    answer({ id: first, outcome: 'authorized', message: '' });
    expect(await questions[0]).toBe('yes');
    expect(connection.open.size).toBe(maximumQuestions + 1);
    answerAll('denied');
    answerAll('denied');
    expect((await Promise.all(questions)).slice(1)).toEqual(Array(maximumQuestions + 1).fill('no'));
  });

  test('one that is taken back while it waits is never asked', async () => {
    for (let count = 0; count < maximumQuestions; count += 1) void ask(false);
    const controller = new AbortController();
    const waiting = ask(false, controller.signal);
    controller.abort();
    expect(await waiting).toBe('dismissed');
    expect(connection.cancelled).toEqual([]);
    answerAll('authorized');
    expect(connection.open.size).toBe(0);
  });
});

test('absence is logged once until polkit answers again', async () => {
  for (const outcome of ['failed', 'failed', 'denied', 'failed'] as const) {
    const answered = ask(false);
    answerAll(outcome, 'no bus');
    await answered;
  }
  expect(logged).toEqual(Array(2).fill('error polkit cannot be asked, so only root may do anything.'));
});

test('after stop everything is absent, at once', async () => {
  const open = ask(true);
  authority.stop();
  authority.stop();
  expect(await open).toBe('absent');
  expect(await ask(false)).toBe('absent');
  expect(connection.isStopped).toBe(true);
});
