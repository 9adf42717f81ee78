import { PolkitRig } from '../../rig/polkit.ts';
import type { Person } from './person.ts';

/**
 * polkit, with the person at the screen in an active session, whose administrator types the right password when asked.
 */
export async function seat(person: Person): Promise<PolkitRig> {
  const polkit = await PolkitRig.start();
  await polkit.setSession(person.uid, 'active');
  await polkit.answer(person.uid, 'yes');
  return polkit;
}
