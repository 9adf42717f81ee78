import { expect, test } from 'vitest';
import { PolkitAuthority } from '@sallyport/helper/authority/polkit-authority.ts';
import type { AuthorityAnswer } from '@sallyport/helper/endpoint/authority.ts';
import { succeeds } from '../rig/run.ts';
import { waitUntil } from '../rig/wait.ts';
import { PrivateBus } from './private-bus.ts';

/** Ends with 0 once somebody has polkit's name on the bus. */
const isOwned = `
from gi.repository import Gio, GLib
question = GLib.Variant('(s)', ('org.freedesktop.PolicyKit1',))
bus = ('org.freedesktop.DBus', '/', 'org.freedesktop.DBus', 'GetNameOwner')
Gio.bus_get_sync(Gio.BusType.SYSTEM).call_sync(*bus, question, None, 0, -1, None)
`;

/** Lets somebody who is not polkitd answer a question, and returns what the helper makes of it, and of that logs. */
async function askOf(answer: string): Promise<[AuthorityAnswer, readonly string[]]> {
  await using bus = await PrivateBus.start();
  let isUp = false;
  const mocked = bus.mock('polkit1.py', () => isUp, { answer });
  await waitUntil('the mock', () => succeeds('/usr/bin/python3', ['-c', isOwned]));
  isUp = true;
  await mocked;
  const logged: string[] = [];
  const authority = new PolkitAuthority((level, message) => logged.push(`${level} ${message}`));
  const subject = { pid: process.pid, uid: 0, startTime: '1' };
  const answered = await authority.check({ subject, actionId: 'org.example.use', interactive: false });
  authority.stop();
  return [answered, logged];
}

test('a plain yes is understood, so that what follows means something', async () => {
  expect(await askOf('yes')).toEqual(['yes', []]);
});

test.each(['text', 'nothing', 'short', 'numbers', 'late'])(
  'an answer like "%s" is none, and is logged',
  async (answer) => {
    const [answered, logged] = await askOf(answer);
    expect(answered).toBe('absent');
    expect(logged).toEqual(['error polkit cannot be asked, so only root may do anything.']);
  },
);

test.each<[string, AuthorityAnswer]>([
  ['contradiction', 'challenge'],
  ['dismissed', 'dismissed'],
])('an answer that contradicts itself, "%s", is no yes', async (answer, expected) => {
  expect(await askOf(answer)).toEqual([expected, []]);
});
