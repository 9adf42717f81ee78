import { describe, expect, it } from 'vitest';
import { rootPeer } from '../testing/memory-listener.ts';
import { verifyCaller, type CallerRequirement, type Peer } from './caller.ts';

const app = '/opt/Sallyport/sallyport';
const packaged: CallerRequirement = { executables: [app], administrators: [1000], developerMode: false };
const anyExecutable: CallerRequirement = { ...packaged, executables: [] };
const developer: CallerRequirement = { ...packaged, developerMode: true };

const uids = { root: 0, listed: 1000, unlisted: 1001 };

/** What may be odd about a caller's executable, and whether a packaged helper takes it. */
const executables: Readonly<
  Record<string, { readonly peer: Partial<Peer>; readonly reason: RegExp | null }>
> = {
  'the app': { peer: {}, reason: null },
  'another program': { peer: { executable: '/usr/bin/node' }, reason: /not the container app/ },
  'a path that begins like the app': { peer: { executable: `${app}-evil` }, reason: /not the container app/ },
  'a relative spelling of the app': {
    peer: { executable: `/opt/../opt/Sallyport/sallyport` },
    reason: /not the container app/,
  },
  'unreadable path': { peer: { executable: null }, reason: /cannot be read/ },
  'unreadable owner': { peer: { executableOwner: null }, reason: /cannot be read/ },
  'unreadable mode': { peer: { executableMode: null }, reason: /cannot be read/ },
  'a deleted app': { peer: { executableDeleted: true }, reason: /deleted or replaced/ },
  'an app that a person owns': { peer: { executableOwner: 1000 }, reason: /written by others than root/ },
  'an app its group can write': { peer: { executableMode: 0o775 }, reason: /written by others than root/ },
  'an app anyone can write': { peer: { executableMode: 0o757 }, reason: /written by others than root/ },
};

const namespaces: Readonly<Record<string, Partial<Peer>>> = {
  'in our namespaces': {},
  'in another user namespace': { sameUserNamespace: false },
  'in another pid namespace': { samePidNamespace: false },
};

const matrix = Object.entries(uids).flatMap(([who, uid]) =>
  Object.entries(executables).flatMap(([what, { peer, reason }]) =>
    Object.entries(namespaces).map(([where, facts]) => {
      const caller: Peer = { ...rootPeer, executable: app, ...peer, ...facts, uid };
      return { who, what, where, caller, reason };
    }),
  ),
);

describe('[E3] a packaged helper', () => {
  it.each(matrix)('judges $who with $what $where', ({ who, where, caller, reason }) => {
    const verdict = verifyCaller(caller, packaged);
    if (where !== 'in our namespaces') {
      expect(verdict).toEqual({ role: null, reason: 'it runs in another namespace' });
    } else if (who === 'root') {
      expect(verdict).toEqual({ role: 'administrator', reason: null });
    } else if (reason === null) {
      expect(verdict).toEqual({ role: who === 'listed' ? 'administrator' : 'observer', reason: null });
    } else {
      expect(verdict.role).toBeNull();
      expect(verdict.reason).toMatch(reason);
    }
  });
});

describe('[E3] a helper whose manifest names no executable', () => {
  it.each(matrix)('judges $who with $what $where', ({ who, where, caller }) => {
    const role = who === 'unlisted' ? 'observer' : 'administrator';
    expect(verifyCaller(caller, anyExecutable).role).toBe(where === 'in our namespaces' ? role : null);
  });
});

describe('[A10] a developer-mode helper', () => {
  it.each(matrix)('judges $who with $what $where by the uid alone', ({ who, caller }) => {
    const verdict = verifyCaller(caller, developer);
    if (who === 'unlisted') {
      expect(verdict).toEqual({ role: null, reason: 'uid 1001 did not start this developer-mode helper' });
    } else {
      expect(verdict).toEqual({ role: 'administrator', reason: null });
    }
  });
});
