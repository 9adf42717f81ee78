import { ProviderError } from '@sallyport/shared/protocol/errors.ts';
import type { CategoryLog } from '../log/logger.ts';
import { currentProvider } from './provider-scope.ts';

/** Ends the process for good, whatever was replaced since. */
export interface ProcessEnd {
  readonly exit: (code: number) => never;
}

type ProcessFunction = 'exit' | 'abort' | 'reallyExit';

/**
 * Keeps an ordinary mistake of a provider from taking the process down (contract L6).
 *
 * `exit`, `abort`, `reallyExit` and `kill` of this process throw when a provider's code calls them, and are logged
 * as its fault. An error that nobody caught goes to the provider in whose scope it arose and ends that session
 * alone; one without an owner ends the process, which the service manager restarts (contract L7).
 */
export function guardProcess(log: CategoryLog): ProcessEnd {
  const originalExit = process.exit.bind(process);
  const originalKill = process.kill.bind(process);

  const refuse = (name: string): void => {
    const owner = currentProvider();
    if (owner === null) return;
    const message = `The provider ${owner.identifier} called process.${name}. A provider ends its session with cancelTunnel.`;
    log('error', message, { identifier: owner.identifier, run: owner.run });
    throw new ProviderError('providerThrew', message);
  };

  for (const name of ['exit', 'abort', 'reallyExit'] satisfies ProcessFunction[]) {
    const original: unknown = Reflect.get(process, name);
    if (typeof original !== 'function') throw new Error(`process.${name} is not a function.`);
    Object.defineProperty(process, name, {
      configurable: false,
      writable: false,
      value: (...values: unknown[]): unknown => {
        refuse(name);
        return Reflect.apply(original, process, values);
      },
    });
  }
  Object.defineProperty(process, 'kill', {
    configurable: false,
    writable: false,
    value: (pid: number, signal?: string | number): true => {
      if (pid === process.pid || pid === 0 || pid === -process.pid || pid === -1) refuse('kill');
      return originalKill(pid, signal);
    },
  });

  const uncaught = (error: unknown, what: string): void => {
    const owner = currentProvider();
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    if (owner !== null) {
      log('error', `An ${what} of the provider ${owner.identifier} ends its session.`, { error: text });
      owner.fault(error);
      return;
    }
    log('error', `An ${what} without an owner ends the helper.`, { error: text });
    originalExit(exitCodeOfFault);
  };
  process.on('uncaughtException', (error) => {
    uncaught(error, 'uncaught exception');
  });
  process.on('unhandledRejection', (error) => {
    uncaught(error, 'unhandled rejection');
  });
  return { exit: (code) => originalExit(code) };
}

/** `EX_SOFTWARE` of sysexits.h: a fault of the helper's own. */
export const exitCodeOfFault = 70;
