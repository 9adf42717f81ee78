import { describe, expect, it } from 'vitest';
import type { NetworkPath } from '@sallyport/shared/provider/network-path.ts';
import { pathOf, PathMonitor, type PathSource } from './path-monitor.ts';

type Link = ReturnType<PathSource['links']>[number];
type Route = ReturnType<PathSource['routes']>[number];

const ethernet: Link = { index: 2, name: 'eth0', mtu: 1500, up: true };
const wireless: Link = { index: 3, name: 'wlan0', mtu: 1400, up: true };
const ours: Link = { index: 9, name: 'sp4f21-0a1b2c3d', mtu: 1420, up: true };
const isOurs = (name: string): boolean => name.startsWith('sp4f21-');

function route(
  interfaceIndex: number | null,
  metric = 0,
  family: 4 | 6 = 4,
  destination = family === 4 ? '0.0.0.0/0' : '::/0',
): Route {
  return { destination, interfaceIndex, metric, family };
}

/** The kernel's answers, to be changed by the test. */
class MemoryPathSource implements PathSource {
  linkList: Link[] = [ethernet, wireless, ours];
  routeList: Route[] = [];
  listeners = new Set<() => void>();
  links(): Link[] {
    return this.linkList;
  }
  routes(): Route[] {
    return this.routeList;
  }
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  change(routes: Route[], links: Link[] = this.linkList): void {
    this.routeList = routes;
    this.linkList = links;
    for (const listener of this.listeners) listener();
  }
}

function over(link: Link, supportsIPv4 = true, supportsIPv6 = false): NetworkPath {
  return {
    status: 'satisfied',
    interfaceName: link.name,
    interfaceIndex: link.index,
    mtu: link.mtu,
    supportsIPv4,
    supportsIPv6,
  };
}

const none: NetworkPath = {
  status: 'unsatisfied',
  interfaceName: null,
  interfaceIndex: null,
  mtu: null,
  supportsIPv4: false,
  supportsIPv6: false,
};

const table: readonly {
  readonly what: string;
  readonly routes: Route[];
  readonly links?: Link[];
  readonly path: NetworkPath;
}[] = [
  { what: 'no route at all', routes: [], path: none },
  { what: 'no default route', routes: [route(2, 0, 4, '10.0.0.0/8')], path: none },
  { what: 'one default route', routes: [route(2)], path: over(ethernet) },
  { what: 'only IPv6', routes: [route(2, 1024, 6)], path: over(ethernet, false, true) },
  { what: 'both families', routes: [route(2, 1024, 6), route(2)], path: over(ethernet, true, true) },
  { what: 'the lower metric', routes: [route(3, 600), route(2, 100)], path: over(ethernet) },
  {
    what: 'the lower metric of the other family',
    routes: [route(3, 600), route(2, 100, 6)],
    path: over(ethernet, true, true),
  },
  {
    what: 'IPv4 before IPv6 at one metric',
    routes: [route(3, 100, 6), route(2, 100)],
    path: over(ethernet, true, true),
  },
  {
    what: 'a tunnel of ours with the best route',
    routes: [route(9, 0), route(3, 600)],
    path: over(wireless),
  },
  { what: 'nothing but a tunnel of ours', routes: [route(9), route(9, 0, 6)], path: none },
  { what: 'a route that leads nowhere', routes: [route(null), route(3, 600)], path: over(wireless) },
  {
    what: 'an interface that is down',
    routes: [route(2), route(3, 600)],
    links: [{ ...ethernet, up: false }, wireless],
    path: over(wireless),
  },
  { what: 'an interface that has just gone', routes: [route(5), route(3, 600)], path: over(wireless) },
  {
    what: 'halves of everything, which are no default route',
    routes: [route(2, 0, 4, '0.0.0.0/1')],
    path: none,
  },
];

describe('pathOf', () => {
  it.each(table)('$what', ({ routes, links, path }) => {
    const source = new MemoryPathSource();
    source.change(routes, links);
    expect(pathOf(source, isOurs)).toEqual(path);
  });
});

describe('PathMonitor', () => {
  it('tells real changes only', () => {
    const source = new MemoryPathSource();
    source.change([route(2)]);
    const changes: NetworkPath[] = [];
    const monitor = new PathMonitor(source, isOurs, (path) => changes.push(path));
    expect(monitor.path).toEqual(over(ethernet));
    source.change([route(2), route(2, 0, 4, '10.0.0.0/8')]);
    source.change([route(9), route(2)]);
    expect(changes).toEqual([]);
    source.change([route(3, 600)]);
    source.change([]);
    source.change([]);
    source.change([route(2)], [{ ...ethernet, mtu: 9000 }]);
    source.change([route(2), route(2, 0, 6)], [{ ...ethernet, mtu: 9000 }]);
    expect(changes).toEqual([
      over(wireless),
      none,
      over({ ...ethernet, mtu: 9000 }),
      over({ ...ethernet, mtu: 9000 }, true, true),
    ]);
    expect(monitor.path).toEqual(changes.at(-1));
  });

  it('misses no change that comes while it begins', () => {
    const source = new MemoryPathSource();
    source.change([route(2)]);
    source.onChange = () => {
      source.routeList = [route(3)];
      return () => undefined;
    };
    expect(new PathMonitor(source, isOurs, () => undefined).path).toEqual(over(wireless));
  });

  it('is silent after its stop', () => {
    const source = new MemoryPathSource();
    const changes: NetworkPath[] = [];
    const monitor = new PathMonitor(source, isOurs, (path) => changes.push(path));
    monitor.stop();
    source.change([route(2)]);
    expect(changes).toEqual([]);
    expect(source.listeners.size).toBe(0);
  });
});
