import { readdir } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import * as z from 'zod';
import { run } from '../rig/run.ts';
import { waitUntil } from '../rig/wait.ts';
import type { Outcome } from './attacks.ts';
import type { Agent } from './rig/agent.ts';
import { attack } from './rig/attack.ts';
import { AttackRig } from './rig/attack-rig.ts';
import { codeOf, echoDraft, save, saved } from './rig/drafts.ts';

/** Names of tunnels, chosen by an administrator who is careless or copies them from a hostile file. */

let rig: AttackRig;
let agent: Agent;
const made: string[] = [];

beforeAll(async () => {
  rig = await AttackRig.start();
  agent = await rig.administrator();
});

afterEach(async () => {
  for (const id of made.splice(0)) {
    expect(codeOf(await agent.call('configurations.remove', { id }))).toBe('answered');
  }
});

afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

/** Names that must all be refused, with nothing stored. */
async function refused(names: readonly string[], code = 'invalidParameters'): Promise<Outcome> {
  const before = await files();
  for (const name of names)
    expect([name, codeOf(await save(agent, echoDraft({ name })))]).toEqual([name, code]);
  expect(await files()).toEqual(before);
  return 'denied';
}

/** Everything in the helper's state directory. */
async function files(): Promise<readonly string[]> {
  return (await readdir(rig.state, { recursive: true })).toSorted();
}

attack(
  () => rig,
  'names/dot-dot',
  () => refused(['../x', '..', '.', 'a/b', '/etc/passwd', '../../run/sallyport/x.sock']),
);
attack(
  () => rig,
  'names/nul',
  () => refused(['\0', 'a\0b', 'a\0']),
);
attack(
  () => rig,
  'names/newline',
  () => refused(['a\nb', 'a\r', '\n', 'a\u2028b', 'a\u2029b', 'a\u0085b', 'a\vb', 'a\x1b[2Jb']),
);
attack(
  () => rig,
  'names/leading-hyphen',
  () => refused(['-rf', '--help', '-']),
);
attack(
  () => rig,
  'names/long',
  () => refused(['x'.repeat(256), 'ä'.repeat(128), '👩'.repeat(64), 'x'.repeat(700_000), '']),
);

attack(
  () => rig,
  'names/specifier',
  async () => {
    const names = ['%i', '%n%s%x', '${HOME}', '$(id)', '`id`', ';reboot', '%00', '*', 'a b'];
    for (const name of names) made.push(await saved(agent, { name }));
    const { configurations } = z
      .object({ configurations: z.array(z.object({ name: z.string() })) })
      .parse((await agent.call('configurations.list')).result);
    expect(configurations.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
    return 'plainText';
  },
);

attack(
  () => rig,
  'names/twins',
  async () => {
    made.push(await saved(agent, { name: 'Straße é' }));
    const twins = ['straße é', 'STRASSE É', 'Strasse e\u0301', 'Ｓtraße é', 'Straße e\u0301', 'Straẞe é'];
    const outcome = await refused(twins, 'nameTaken');
    await refused(['Straße\u200b é', 'Straße\u00ad é', '\u202eStraße é', 'Straße\ufe0f é']);
    return outcome;
  },
);

attack(
  () => rig,
  'names/interface',
  async () => {
    const names = ['an-interface-of-more-than-15', 'lo', 'eth0', '../../proc', 'a'.repeat(64)].slice(0, 5);
    const before = await interfaces();
    for (const name of names.filter((each) => !each.includes('/'))) {
      const id = await saved(agent, { name });
      made.push(id);
      expect(codeOf(await agent.call('session.start', { id }))).toBe('answered');
      await waitUntil('an interface', async () => (await interfaces()).length > before.length);
      const [created = ''] = (await interfaces()).filter((each) => !before.includes(each));
      // Made of the configuration's id, never of its name.
      expect(created).toMatch(/^sp[0-9a-f]{4}-[0-9a-f]{8}$/);
      await agent.call('session.stop', { id });
      await waitUntil('the interface to go', async () => (await interfaces()).length === before.length);
    }
    return 'plainText';
  },
);

async function interfaces(): Promise<readonly string[]> {
  const links = z.array(z.object({ ifname: z.string() })).parse(JSON.parse(await run('ip', ['-j', 'link'])));
  return links.map(({ ifname }) => ifname);
}
