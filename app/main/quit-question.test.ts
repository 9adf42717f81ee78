import { expect, it } from 'vitest';
import { exampleId, exampleState } from '../testing/examples.ts';
import { quitQuestion } from './quit-question.ts';

it('asks nothing while no tunnel is up', () => {
  expect(quitQuestion(exampleState({}, { status: 'disconnecting' }, { status: 'invalid' }))).toBeNull();
});

it('names the one tunnel that stays', () => {
  const question = quitQuestion(exampleState({}, { status: 'connected' }));
  expect(question?.message).toBe('“Tunnel 2” stays connected when Sallyport quits.');
  expect(question?.ids).toEqual([exampleId(2)]);
});

it('counts several', () => {
  const question = quitQuestion(exampleState({ status: 'connecting' }, { status: 'reasserting' }));
  expect(question?.message).toBe('2 tunnels stay connected when Sallyport quits.');
});
