import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { exitCodeOfFault } from './process-guard.ts';

const script = fileURLToPath(new URL('../testing/guarded-process.ts', import.meta.url));
const guard = new URL('./process-guard.ts', import.meta.url).href;

const outcomeSchema = z.object({
  answer: z.string(),
  faulty: z.string(),
  end: z.object({ reason: z.string(), error: z.object({ message: z.string() }).nullable() }).nullable(),
  calm: z.string(),
  log: z.array(z.string()),
});

function outcome(mistake: string): z.infer<typeof outcomeSchema> {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, mistake], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return outcomeSchema.parse(JSON.parse(stdout));
}

describe('guardProcess', () => {
  it.each(['exit', 'abort', 'reallyExit', 'kill'])(
    '[L6] refuses process.%s of a provider, logs it as its fault and answers providerThrew',
    (mistake) => {
      const { answer, faulty, calm, log } = outcome(mistake);
      expect(answer).toBe('providerThrew');
      expect([faulty, calm]).toEqual(['connected', 'connected']);
      expect(log).toEqual([expect.stringContaining(`called process.${mistake}`)]);
    },
  );

  it.each(['timer', 'rejection', 'microtask', 'abortListener', 'exitInTimer'])(
    '[L6] gives an uncaught error (%s) to its owner, whose session alone ends',
    (mistake) => {
      const { faulty, calm, end } = outcome(mistake);
      expect(faulty).toBe('disconnected');
      expect(end?.reason).toBe('providerFailed');
      expect(end?.error?.message).toMatch(/thrown in|nobody catches|process\.exit/);
      expect(calm).toBe('connected');
    },
  );

  it('[L6] ends the process on an error without an owner, for the service manager to restart', () => {
    const code = `import { guardProcess } from ${JSON.stringify(guard)};
      guardProcess((level, message) => console.error(level, message));
      setTimeout(() => { throw new Error('nobody'); }, 1); setInterval(() => {}, 1000);`;
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      encoding: 'utf8',
    });
    expect(status).toBe(exitCodeOfFault);
    expect(stderr).toContain('without an owner ends the helper');
  });

  it('leaves the helper its own exit', () => {
    const code = `import { guardProcess } from ${JSON.stringify(guard)};
      guardProcess(() => {}).exit(7);`;
    const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
    expect(status).toBe(7);
  });
});
