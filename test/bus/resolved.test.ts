import { existsSync, readdirSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { ResolvedLink } from '@sallyport/helper/native/binding.d.ts';
import { native } from '@sallyport/helper/native/load.ts';
import { type Mock, PrivateBus } from './private-bus.ts';

const { resolvedAvailable, resolvedRevertLink, resolvedSetLink } = native();

const link: ResolvedLink = {
  index: 7,
  servers: ['192.0.2.53', '2001:db8::53'],
  domains: [
    { domain: 'example.com', routingOnly: false },
    { domain: '.', routingOnly: true },
  ],
  defaultRoute: true,
};

const refusal = (code: string): unknown => expect.objectContaining({ code });

async function mocked(bus: PrivateBus): Promise<Mock> {
  return bus.mock('resolve1.py', resolvedAvailable);
}

/** Milliseconds that `work` takes. */
function duration(work: () => void): number {
  const begin = performance.now();
  work();
  return performance.now() - begin;
}

describe('with systemd-resolved', () => {
  test('a link is set with exactly these calls, in this order', async () => {
    await using bus = await PrivateBus.start();
    const mock = await mocked(bus);
    resolvedSetLink(link);
    const sixth = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53];
    expect(await mock.calls()).toEqual([
      [
        'SetLinkDNS',
        7,
        [
          [2, [192, 0, 2, 53]],
          [10, sixth],
        ],
      ],
      [
        'SetLinkDomains',
        7,
        [
          ['example.com', 0],
          ['.', 1],
        ],
      ],
      ['SetLinkDefaultRoute', 7, 1],
      ['FlushCaches'],
    ]);
  });

  test('a link without servers and domains is set likewise', async () => {
    await using bus = await PrivateBus.start();
    const mock = await mocked(bus);
    resolvedSetLink({ index: 3, servers: [], domains: [], defaultRoute: false });
    expect(await mock.calls()).toEqual([
      ['SetLinkDNS', 3, []],
      ['SetLinkDomains', 3, []],
      ['SetLinkDefaultRoute', 3, 0],
      ['FlushCaches'],
    ]);
  });

  test('a link is reverted', async () => {
    await using bus = await PrivateBus.start();
    const mock = await mocked(bus);
    resolvedRevertLink(7);
    expect(await mock.calls()).toEqual([['RevertLink', 7], ['FlushCaches']]);
  });

  test.each([
    [404, 'NOT_FOUND'],
    [403, 'PERMISSION'],
    [400, 'INVALID'],
    [500, 'BUS_FAILED'],
  ])('a refusal of link %i has the code %s, and no call follows', async (index, code) => {
    await using bus = await PrivateBus.start();
    const mock = await mocked(bus);
    expect(() => {
      resolvedSetLink({ ...link, index });
    }).toThrow(refusal(code));
    expect(() => {
      resolvedRevertLink(index);
    }).toThrow(refusal(code));
    expect(await mock.calls()).toEqual([
      expect.arrayContaining(['SetLinkDNS', index]),
      ['RevertLink', index],
    ]);
  });

  test('an answer that does not come is waited for 2 s', async () => {
    await using bus = await PrivateBus.start();
    await mocked(bus);
    const waited = duration(() => {
      expect(() => {
        resolvedRevertLink(408);
      }).toThrow(refusal('TIMED_OUT'));
    });
    expect(waited).toBeGreaterThan(1900);
    expect(waited).toBeLessThan(2500);
  });

  test('its going is noticed', async () => {
    await using bus = await PrivateBus.start();
    const mock = await mocked(bus);
    await mock.stop(() => !resolvedAvailable());
    expect(() => {
      resolvedSetLink(link);
    }).toThrow(refusal('SERVICE_UNAVAILABLE'));
  });

  test.each<Partial<ResolvedLink>>([
    { index: 0 },
    { index: 1.5 },
    { servers: ['dns.example.com'] },
    { servers: ['192.0.2.53:53'] },
    { domains: [{ domain: '', routingOnly: false }] },
    { domains: [{ domain: 'a b', routingOnly: false }] },
    { domains: [{ domain: 'x'.repeat(254), routingOnly: false }] },
  ])('nothing is called with %o', async (part) => {
    await using bus = await PrivateBus.start();
    const mock = await mocked(bus);
    expect(() => {
      resolvedSetLink({ ...link, ...part });
    }).toThrow(refusal('INVALID'));
    expect(await mock.calls()).toEqual([]);
  });
});

describe('without systemd-resolved', () => {
  test('it is not started, neither by asking nor by calling', async () => {
    await using bus = await PrivateBus.start();
    const started = await bus.startable('org.freedesktop.resolve1');
    expect(resolvedAvailable()).toBe(false);
    expect(() => {
      resolvedSetLink(link);
    }).toThrow(refusal('SERVICE_UNAVAILABLE'));
    expect(existsSync(started)).toBe(false);
  });

  test('a missing bus is said at once', async () => {
    await using bus = await PrivateBus.start();
    process.env['DBUS_SYSTEM_BUS_ADDRESS'] = `unix:path=${join(bus.directory, 'absent')}`;
    const waited = duration(() => {
      expect(resolvedAvailable()).toBe(false);
      expect(() => {
        resolvedSetLink(link);
      }).toThrow(refusal('BUS_UNAVAILABLE'));
      expect(() => {
        resolvedRevertLink(7);
      }).toThrow(refusal('BUS_UNAVAILABLE'));
    });
    expect(waited).toBeLessThan(500);
  });

  test.each(['nonsense', 'unix:', 'unix:path=', '', 'tcp:host=256.0.0.1,port=1'])(
    'an address like %j is no bus',
    async (address) => {
      await using _bus = await PrivateBus.start();
      process.env['DBUS_SYSTEM_BUS_ADDRESS'] = address;
      expect(resolvedAvailable()).toBe(false);
      expect(() => {
        resolvedRevertLink(7);
      }).toThrow(refusal('BUS_UNAVAILABLE'));
    },
  );

  test('a bus that says nothing is waited for 2 s', async () => {
    await using bus = await PrivateBus.start();
    const silent = net.createServer().listen(join(bus.directory, 'silent'));
    await once(silent, 'listening');
    process.env['DBUS_SYSTEM_BUS_ADDRESS'] = `unix:path=${join(bus.directory, 'silent')}`;
    const waited = duration(() => {
      expect(() => {
        resolvedRevertLink(7);
      }).toThrow(refusal('TIMED_OUT'));
      expect(resolvedAvailable()).toBe(false);
    });
    silent.close();
    expect(waited).toBeGreaterThan(3800);
    expect(waited).toBeLessThan(5000);
  });

  test('the bus is looked for at every call', async () => {
    await using first = await PrivateBus.start();
    expect(resolvedAvailable()).toBe(false);
    {
      await using second = await PrivateBus.start();
      await mocked(second);
      expect(resolvedAvailable()).toBe(true);
    }
    expect(first.directory).not.toBe('');
    expect(resolvedAvailable()).toBe(false);
  });
});

test('100 conversations leave no descriptor and no thread behind', async () => {
  await using bus = await PrivateBus.start();
  await mocked(bus);
  const count = (): number[] => ['fd', 'task'].map((kind) => readdirSync(`/proc/self/${kind}`).length);
  resolvedRevertLink(7);
  const before = count();
  for (let round = 0; round < 100; round += 1) resolvedRevertLink(7);
  expect(count()).toEqual(before);
});
