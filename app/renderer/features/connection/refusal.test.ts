import { expect, it } from 'vitest';
import { exampleId, exampleState } from '../../../testing/examples.ts';
import { conflictingTunnels, isConflict, type Refusal } from './refusal.ts';

const conflict = (details: Refusal['error']['details']): Refusal => ({
  id: exampleId(1),
  error: { domain: 'EndpointError', code: 'sessionConflict', number: 7, message: 'Same routes.', details },
});
const { tunnels } = exampleState({}, { status: 'connected' }, { status: 'connecting' }, {});

it('knows a conflict by domain and code', () => {
  const refusal = conflict(undefined);
  expect(isConflict(refusal)).toBe(true);
  expect(isConflict({ ...refusal, error: { ...refusal.error, domain: 'Other' } })).toBe(false);
  expect(isConflict({ ...refusal, error: { ...refusal.error, code: 'timedOut' } })).toBe(false);
});

it('finds the tunnels that the error names', () => {
  const found = conflictingTunnels(conflict({ sessions: [exampleId(3)] }), tunnels);
  expect(found.map((tunnel) => tunnel.id)).toEqual([exampleId(3)]);
});

it('takes all that are up when it names none, never the one that is asked for', () => {
  const found = conflictingTunnels(conflict(undefined), tunnels);
  expect(found.map((tunnel) => tunnel.id)).toEqual([exampleId(2), exampleId(3)]);
});
