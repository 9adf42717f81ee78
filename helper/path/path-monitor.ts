import { invalidPath, type NetworkPath } from '@sallyport/shared/provider/network-path.ts';

/** What the kernel says about links and routes; native code on the real system. */
export interface PathSource {
  links(): readonly {
    readonly index: number;
    readonly name: string;
    readonly mtu: number;
    readonly up: boolean;
  }[];
  /** Routes of the main table. */
  routes(): readonly {
    readonly destination: string;
    readonly interfaceIndex: number | null;
    readonly metric: number;
    readonly family: 4 | 6;
  }[];
  /** Calls back after each later change, never at once, until the returned function is called. */
  onChange(listener: () => void): () => void;
}

/**
 * The physical path: interface of the best default route that is no tunnel of ours.
 *
 * @param isOurs whether an interface of this name belongs to a session
 */
export function pathOf(source: PathSource, isOurs: (name: string) => boolean): NetworkPath {
  const links = new Map(
    source
      .links()
      .filter((link) => link.up && !isOurs(link.name))
      .map((link) => [link.index, link]),
  );
  const defaults = source
    .routes()
    .filter((route) => route.destination === '0.0.0.0/0' || route.destination === '::/0')
    .filter((route) => route.interfaceIndex !== null && links.has(route.interfaceIndex))
    .sort((left, right) => left.metric - right.metric || left.family - right.family);
  const best = defaults[0]?.interfaceIndex ?? null;
  const link = best === null ? undefined : links.get(best);
  if (link === undefined) return { ...invalidPath, status: 'unsatisfied' };
  return {
    status: 'satisfied',
    interfaceName: link.name,
    interfaceIndex: link.index,
    mtu: link.mtu,
    supportsIPv4: defaults.some((route) => route.family === 4),
    supportsIPv6: defaults.some((route) => route.family === 6),
  };
}

/** Keeps the physical path current; `changed` is called only when it really differs. */
export class PathMonitor {
  readonly #source: PathSource;
  readonly #isOurs: (name: string) => boolean;
  readonly #stop: () => void;
  #path: NetworkPath;

  constructor(source: PathSource, isOurs: (name: string) => boolean, changed: (path: NetworkPath) => void) {
    this.#source = source;
    this.#isOurs = isOurs;
    // Listens before it looks, so that no change falls between the two.
    this.#stop = source.onChange(() => {
      const path = pathOf(this.#source, this.#isOurs);
      if (samePath(path, this.#path)) return;
      this.#path = path;
      changed(path);
    });
    this.#path = pathOf(source, isOurs);
  }

  get path(): NetworkPath {
    return this.#path;
  }

  stop(): void {
    this.#stop();
  }
}

function samePath(left: NetworkPath, right: NetworkPath): boolean {
  return (
    left.status === right.status &&
    left.interfaceIndex === right.interfaceIndex &&
    left.interfaceName === right.interfaceName &&
    left.mtu === right.mtu &&
    left.supportsIPv4 === right.supportsIPv4 &&
    left.supportsIPv6 === right.supportsIPv6
  );
}
