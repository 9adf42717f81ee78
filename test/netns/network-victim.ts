import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { allocate } from '../../helper/network/allocate.ts';
import type { NetworkSystem } from '../../helper/network/system.ts';
import { openController, routesTo, settingsOf, TestTunnel } from './network-machine.ts';

/**
 * A helper that dies with -9.
 *
 * `STATE hold EXTENSION INTERFACE` applies a full tunnel, prints `applied` and waits for its end.
 * `STATE NUMBER EXTENSION INTERFACE` applies, changes and clears settings, and kills itself at that half of an
 * operation that alters the system, counted from 0; it prints `lived` if there were fewer. With `names` behind it
 * the settings are of DNS alone.
 */
const [state = '', when = '', extension = '', interfaceName = '', what = 'all'] = process.argv.slice(2);
const directory = when === 'hold' ? join(state, extension) : state;
await mkdir(directory, { recursive: true });

let left = when === 'hold' ? Number.POSITIVE_INFINITY : Number(when);
const die = (): void => {
  left -= 1;
  if (left < 0) process.kill(process.pid, 'SIGKILL');
};

/** Dies before or after an operation has taken effect. */
function mortal(system: NetworkSystem): NetworkSystem {
  return new Proxy(system, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      const alters = /^(?:add|set|remove|write|replace|revert)/.test(String(name));
      return async (...given: unknown[]): Promise<unknown> => {
        if (alters) die();
        const result: unknown = await Reflect.apply(member, target, given);
        if (alters) die();
        return result;
      };
    },
  });
}

using tunnel = new TestTunnel('victim', interfaceName);
const { fwmark, table } = allocate(extension, 'victim', [], new Set());
const session = { ...tunnel.session, fwmark, table };
const { controller } = await openController(directory, { extension, wrap: mortal });

const first = settingsOf({
  ipv4: {
    addresses: ['10.0.0.2/24'],
    includedRoutes: routesTo('0.0.0.0/0'),
    excludedRoutes: routesTo('198.51.100.0/24'),
  },
  dns: { servers: ['10.0.0.53'] },
});
const second = settingsOf({
  ipv4: { addresses: ['10.0.0.3/24'], includedRoutes: routesTo('0.0.0.0/0', '203.0.113.0/24') },
  ipv6: { addresses: ['fd00::2/128'], includedRoutes: routesTo('::/0') },
  dns: { servers: ['10.0.0.54'], searchDomains: ['corp.example'] },
});
/** The same without anything but DNS. */
const namesOf = ({ dns }: typeof first): typeof first =>
  settingsOf({ dns: dns === null ? null : { ...dns, matchDomains: [''] } });
const [one, two] = what === 'names' ? [namesOf(first), namesOf(second)] : [first, second];

await controller.apply(session, one);
if (when === 'hold') {
  process.stdout.write('applied\n');
  setInterval(() => undefined, 60_000);
} else {
  await controller.apply(session, two);
  await controller.close();
  process.stdout.write('lived\n');
}
