import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { MissingPrerequisite } from '../../rig/missing-prerequisite.ts';
import { findProgram } from '../../rig/run.ts';

/** A display that nobody sees, for one test file. */
export interface XServer extends AsyncDisposable {
  /** As in `DISPLAY`. */
  readonly display: string;
}

/**
 * Starts Xvfb on a display that is free.
 *
 * Any local user may connect: who runs the tests starts it, and somebody else draws on it.
 *
 * @throws {MissingPrerequisite} Xvfb is not installed
 */
export async function startXServer(): Promise<XServer> {
  const program = await findProgram('Xvfb');
  if (program === null) {
    throw new MissingPrerequisite('Xvfb is missing: run `apt-get install xvfb` and run this again.');
  }
  const options = ['-ac', '-nolisten', 'tcp', '-screen', '0', '1280x900x24', '-displayfd', '3'];
  const words = ['--pdeathsig', 'KILL', '--', program, ...options];
  const child = spawn('setpriv', words, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  const numbers = child.stdio[3];
  if (numbers === null || numbers === undefined || !('readable' in numbers)) {
    throw new Error('Xvfb was started without its descriptor 3.');
  }
  const number = await Promise.race([
    once(createInterface({ input: numbers }), 'line').then(([line]) => String(line)),
    once(child, 'exit').then(([code]) => {
      throw new Error(`Xvfb ended with ${String(code)} before it had a display.`);
    }),
  ]);
  return {
    display: `:${number}`,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}
