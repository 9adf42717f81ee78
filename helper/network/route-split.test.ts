import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, networkOf, parseCIDR } from '@sallyport/shared/formats/cidr.ts';
import { coversEverything, splitRoutes, type RouteSplit } from './route-split.ts';
import { routesTo, settingsOf } from './testing.ts';

function split(included: string[], excluded: string[] = [], remote: string | null = null): RouteSplit {
  const { ipv4 } = settingsOf({
    ipv4: { addresses: [], includedRoutes: routesTo(...included), excludedRoutes: routesTo(...excluded) },
  });
  return splitRoutes(4, ipv4, remote);
}

const texts = (routes: RouteSplit['ownTable']): string[] => routes.map((route) => route.destination.text);

describe('splitRoutes', () => {
  it('keeps a default route out of the main table and specific ones in it', () => {
    const result = split(['0.0.0.0/0', '10.0.0.0/24']);
    expect(result.isFull).toBe(true);
    expect(texts(result.ownTable)).toEqual(['0.0.0.0/0']);
    expect(texts(result.mainTable)).toEqual(['10.0.0.0/24']);
  });

  it('sees through a default route written as two halves', () => {
    const result = split(['0.0.0.0/1', '128.0.0.0/1']);
    expect(result.isFull).toBe(true);
    expect(texts(result.ownTable)).toEqual(['0.0.0.0/1', '128.0.0.0/1']);
  });

  it('is full also when only long prefixes together are everything', () => {
    const result = split(Array.from({ length: 256 }, (_, first) => `${String(first)}.0.0.0/8`));
    expect(result.isFull).toBe(true);
    expect(result.mainTable).toEqual([]);
  });

  it('keeps a route to the far end from catching the tunnel’s own packets', () => {
    const result = split(['198.51.100.0/24', '192.0.2.0/24'], [], '198.51.100.7');
    expect(result.isFull).toBe(false);
    expect(texts(result.ownTable)).toEqual(['198.51.100.0/24']);
    expect(texts(result.mainTable)).toEqual(['192.0.2.0/24']);
  });

  it('makes holes only where an included route is around them', () => {
    const result = split(['10.0.0.0/8', '192.0.2.0/24'], ['10.1.0.0/16', '172.16.0.0/12', '192.0.2.0/24']);
    expect(texts(result.ownTable)).toEqual(['10.0.0.0/8']);
    expect(result.holes.map((hole) => hole.text)).toEqual(['10.1.0.0/16']);
    expect(result.mainTable).toEqual([]);
  });

  it('takes 10,000 routes with 10,000 holes in less than two seconds', () => {
    const numbers = Array.from({ length: 10_000 }, (_, n) => `${String((n >> 8) + 1)}.${String(n & 255)}`);
    const begun = performance.now();
    const result = split(
      numbers.map((number) => `${number}.0.0/16`),
      numbers.map((number) => `${number}.0.128/25`),
    );
    expect(result.holes.length).toBe(10_000);
    expect(performance.now() - begun).toBeLessThan(2000);
  });

  const network = fc
    .tuple(
      fc.integer({ min: 0, max: 0xff }),
      fc.integer({ min: 0, max: 0xff }),
      fc.integer({ min: 0, max: 20 }),
    )
    .map(([a, b, prefix]) => networkOf(`${String(a)}.${String(b)}.0.0/${String(prefix)}`).text);

  it('leaves nothing in the main table that is around something in the own table', () => {
    fc.assert(
      fc.property(
        fc.array(network, { maxLength: 12 }),
        fc.array(network, { maxLength: 6 }),
        (included, excluded) => {
          const result = split(included, excluded, '10.1.2.3');
          for (const main of result.mainTable) {
            for (const own of result.ownTable)
              expect(contains(main.destination, own.destination)).toBe(false);
            for (const hole of result.holes) expect(contains(main.destination, hole)).toBe(false);
            expect(contains(main.destination, parseCIDR('10.1.2.3/32'))).toBe(false);
          }
        },
      ),
    );
  });

  it('knows everything from almost everything', () => {
    const halves = (prefix: number, network: bigint): string[] => {
      if (prefix === 6) return [text(network, 6)];
      const bit = 1n << BigInt(31 - prefix);
      return [...halves(prefix + 1, network), ...halves(prefix + 1, network + bit)];
    };
    const text = (value: bigint, prefix: number): string =>
      `${[24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.')}/${String(prefix)}`;
    const all = halves(0, 0n).map((cidr) => parseCIDR(cidr));
    expect(coversEverything(all)).toBe(true);
    for (const left of all) expect(coversEverything(all.filter((cidr) => cidr !== left))).toBe(false);
    expect(coversEverything([])).toBe(false);
  });
});
