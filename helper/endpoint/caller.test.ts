import { describe, expect, it } from 'vitest';
import { rootPeer } from '../testing/memory-listener.ts';
import {
  judgeExecutable,
  verifyCaller,
  type CallerRequirement,
  type ExecutableFile,
  type Peer,
} from './caller.ts';

const app = '/opt/Sallyport/sallyport';
const digest = 'ab'.repeat(32);
const required = { path: app, sha256: digest };
const packaged: CallerRequirement = { executables: [required], developerUid: null };
const anyExecutable: CallerRequirement = { executables: [], developerUid: null };
const developer: CallerRequirement = { ...packaged, developerUid: 1000 };

const uids = { root: 0, developer: 1000, somebody: 1001 };

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
  'a set-user-ID app': { peer: { executableMode: 0o4755 }, reason: /changes the user/ },
  'a set-group-ID app': { peer: { executableMode: 0o2755 }, reason: /changes the user/ },
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
      expect(verdict).toEqual({ kind: 'refused', reason: 'it runs in another namespace' });
    } else if (who === 'root') {
      expect(verdict).toEqual({ kind: 'accepted' });
    } else if (reason === null) {
      expect(verdict).toEqual({ kind: 'inspect', executable: required });
    } else {
      expect(verdict).toEqual({ kind: 'refused', reason: expect.stringMatching(reason) });
    }
  });
});

describe('[E3] a helper whose manifest names no executable', () => {
  it.each(matrix)('judges $who with $what $where', ({ where, caller }) => {
    const kind = where === 'in our namespaces' ? 'accepted' : 'refused';
    expect(verifyCaller(caller, anyExecutable).kind).toBe(kind);
  });
});

describe('[A10] a developer-mode helper', () => {
  it.each(matrix)('judges $who with $what $where by the uid alone', ({ who, caller }) => {
    const verdict = verifyCaller(caller, developer);
    if (who === 'developer') expect(verdict).toEqual({ kind: 'accepted' });
    else
      expect(verdict).toMatchObject({ kind: 'refused', reason: /did not start this developer-mode helper/ });
  });
});

describe('[E3] the file that a caller runs', () => {
  const peer: Peer = { ...rootPeer, uid: 1000, executable: app };
  const fit: ExecutableFile = {
    device: '1',
    inode: '2',
    owner: 0,
    mode: 0o755,
    weakDirectory: null,
    digest,
  };

  it('is accepted when it is the one at the required path, with the required content', () => {
    expect(judgeExecutable(peer, required, fit)).toEqual({ kind: 'accepted' });
    expect(judgeExecutable(peer, { path: app, sha256: null }, { ...fit, digest: null })).toEqual({
      kind: 'accepted',
    });
  });

  it.each<[string, Partial<ExecutableFile> | null, Partial<Peer>, RegExp]>([
    ['cannot be opened', null, {}, /cannot be read/],
    ['has no known device', {}, { executableDevice: null }, /cannot be read/],
    ['has no known inode', {}, { executableInode: null }, /cannot be read/],
    ['lies on another device', { device: '9' }, {}, /deleted or replaced/],
    ['is another one at the same path', { inode: '9' }, {}, /deleted or replaced/],
    ['belongs to a person by now', { owner: 1000 }, {}, /written by others/],
    ['can be written by now', { mode: 0o777 }, {}, /written by others/],
    ['is set-user-ID by now', { mode: 0o4755 }, {}, /changes the user/],
    ['lies in a directory of others', { weakDirectory: '/opt' }, {}, /through \/opt$/],
    ['has another content', { digest: 'cd'.repeat(32) }, {}, /content/],
    ['changed while it was read', { digest: null }, {}, /content/],
  ])('is refused when it %s', (_what, file, facts, reason) => {
    const verdict = judgeExecutable(
      { ...peer, ...facts },
      required,
      file === null ? null : { ...fit, ...file },
    );
    expect(verdict).toEqual({ kind: 'refused', reason: expect.stringMatching(reason) });
  });
});
