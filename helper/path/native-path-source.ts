import { native } from '../native/load.ts';
import type { PathSource } from './path-monitor.ts';

/** `RT_TABLE_MAIN` of rtnetlink(7). */
const mainTable = 254;

/** The kernel's links and routes over netlink. */
export class NativePathSource implements PathSource {
  links(): ReturnType<PathSource['links']> {
    return native().links();
  }

  routes(): ReturnType<PathSource['routes']> {
    return native()
      .routes({ table: mainTable })
      .filter((route) => route.kind === 'unicast')
      .map((route) => ({
        destination: route.destination,
        interfaceIndex: route.interfaceIndex,
        metric: route.metric ?? 0,
        family: route.family,
      }));
  }

  onChange(listener: () => void): () => void {
    const monitor = native().NetworkMonitor.start(listener);
    return () => {
      monitor.stop();
    };
  }
}
