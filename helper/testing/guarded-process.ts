import { PacketTunnelProvider } from '@sallyport/shared/provider/packet-tunnel-provider.ts';
import { guardProcess } from '../host/process-guard.ts';
import { SessionHarness, testConfiguration, testProvider } from './session-harness.ts';

/**
 * A process of its own in which a provider does the worst it can by mistake (contract L6).
 *
 * Prints one JSON line: whether the process lived, how the faulty session ended, whether the other one still runs.
 * Argument: which mistake.
 */
const mistakes: Readonly<Record<string, () => void>> = {
  exit: () => {
    process.exit(3);
  },
  abort: () => {
    process.abort();
  },
  reallyExit: () => {
    const reallyExit: unknown = Reflect.get(process, 'reallyExit');
    if (typeof reallyExit === 'function') Reflect.apply(reallyExit, process, [3]);
  },
  kill: () => {
    process.kill(process.pid, 'SIGKILL');
  },
  timer: () => {
    setTimeout(() => {
      throw new Error('thrown in a timer');
    }, 1);
  },
  exitInTimer: () => {
    setTimeout(() => process.exit(3), 1);
  },
  rejection: () => void Promise.reject(new Error('nobody catches this')),
  microtask: () => {
    queueMicrotask(() => {
      throw new Error('thrown in a microtask');
    });
  },
  abortListener: () => {
    setTimeout(() => {
      new AbortController().signal.throwIfAborted();
      const controller = new AbortController();
      controller.signal.addEventListener('abort', () => {
        throw new Error('thrown in a listener');
      });
      controller.abort();
    }, 1);
  },
};

class Calm extends PacketTunnelProvider {
  override startTunnel(): Promise<void> {
    return Promise.resolve();
  }
  override stopTunnel(): Promise<void> {
    return Promise.resolve();
  }
}

const mistake = mistakes[process.argv[2] ?? ''];
if (mistake === undefined) throw new Error(`Name a mistake: ${Object.keys(mistakes).join(', ')}`);

class Mistaken extends Calm {
  override async handleAppMessage(): Promise<Uint8Array | null> {
    await Promise.resolve();
    mistake?.();
    return null;
  }
}

const harness = new SessionHarness({ [testProvider]: Mistaken, 'com.example.calm': Calm });
guardProcess((level, message) => {
  harness.log.push({ time: 0, sequence: 0, level, category: 'main', message });
});
const faulty = harness.save(testConfiguration());
const calm = harness.save(testConfiguration({}, { providerBundleIdentifier: 'com.example.calm' }));
await harness.connect(faulty.id);
await harness.connect(calm.id);

let answer = 'settled';
await harness.manager.sendProviderMessage(faulty.id, new Uint8Array(), 1000).catch((error: unknown) => {
  answer = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
});
await new Promise((resolve) => setTimeout(resolve, 50));
process.stdout.write(
  `${JSON.stringify({
    answer,
    faulty: harness.snapshot(faulty.id).status,
    end: harness.snapshot(faulty.id).lastEnd,
    calm: harness.snapshot(calm.id).status,
    log: harness.log.filter((entry) => entry.level === 'error').map((entry) => entry.message),
  })}\n`,
);
