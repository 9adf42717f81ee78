import { expect, it } from 'vitest';
import { exampleId } from '../testing/examples.ts';
import { calls, events, type CallName } from './channels.ts';
import { maximumImportBytes } from './limits.ts';

const id = exampleId(1);

it.each<[CallName, unknown]>([
  ['connect', { id: 'x', supersede: false }],
  ['connect', { id }],
  ['connect', { id, supersede: false, options: {} }],
  ['disconnect', { id: [id] }],
  ['disconnect', null],
  ['importFile', { name: 'a.conf', bytes: 'text', withoutScripts: false }],
  ['importFile', { name: '', bytes: new Uint8Array(), withoutScripts: false }],
  ['importFile', { name: 'a.conf', bytes: new Uint8Array(maximumImportBytes + 1), withoutScripts: false }],
  ['rename', { id, name: 'x'.repeat(1001) }],
  ['readState', { anything: 1 }],
])('refuses %s with what does not fit', (name, params) => {
  expect(calls[name].params.safeParse(params).success).toBe(false);
});

it('takes a file of the largest size', () => {
  const bytes = new Uint8Array(maximumImportBytes);
  const file = { name: 'a.conf', bytes, withoutScripts: true };
  expect(calls.importFile.params.safeParse(file).success).toBe(true);
});

it('lets no field of a configuration through that the window need not see', () => {
  const tunnel = { id, name: 'Home', serverAddress: null, isEnabled: true, details: null, session: null };
  const state = { extension: { state: 'connecting' }, tunnels: [tunnel] };
  expect(events.stateChanged.safeParse(state).success).toBe(true);
  const open = { ...state, tunnels: [{ ...tunnel, providerConfiguration: { privateKey: 'x' } }] };
  expect(events.stateChanged.safeParse(open).success).toBe(false);
});
