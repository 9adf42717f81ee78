import { expect, it } from 'vitest';
import { connectionFailed, exampleId, exampleState, now } from '../testing/examples.ts';
import { quitQuestion } from './quit-question.ts';

const waiting = {
  status: 'disconnected',
  nextAttemptDate: now + 8000,
  lastEnd: { reason: 'connectionFailed', error: connectionFailed, at: now },
} as const;

it('asks nothing while no tunnel is up', () => {
  expect(quitQuestion(exampleState({}, { status: 'disconnecting' }, { status: 'invalid' }))).toBeNull();
});

it('names the one tunnel that stays', () => {
  const question = quitQuestion(exampleState({}, { status: 'connected' }));
  expect(question?.message).toBe('“Tunnel 2” stays connected when Sallyport quits.');
  expect(question?.ids).toEqual([exampleId(2)]);
});

it('counts several', () => {
  const question = quitQuestion(exampleState({ status: 'connected' }, { status: 'reasserting' }));
  expect(question?.message).toBe('2 tunnels stay connected when Sallyport quits.');
});

it.each([['connecting', { status: 'connecting' }] as const, ['waiting to be tried again', waiting] as const])(
  'tells that a tunnel that is %s goes on trying',
  (_what, session) => {
    const question = quitQuestion(exampleState({}, session));
    expect(question?.message).toBe('“Tunnel 2” keeps trying to connect when Sallyport quits.');
    expect(question?.buttons).toEqual(['Quit and keep trying', 'Stop trying and quit', 'Cancel']);
    expect(question?.ids).toEqual([exampleId(2)]);
  },
);

it('tells those that are connected from those that try', () => {
  const question = quitQuestion(exampleState({ status: 'connected' }, waiting, { status: 'connecting' }));
  expect(question?.message).toBe(
    '“Tunnel 1” stays connected and 2 tunnels keep trying to connect when Sallyport quits.',
  );
  expect(question?.buttons[1]).toBe('Disconnect and quit');
  expect(question?.ids).toEqual([exampleId(1), exampleId(2), exampleId(3)]);
});
