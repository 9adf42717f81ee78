import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findAgent, startAgent, type AgentSituation } from './password-agent.ts';

const atTerminal: AgentSituation = {
  uid: 1000,
  stdinIsTTY: true,
  stdoutIsTTY: true,
  searchPath: 'bin:/opt/bin:/usr/bin',
};
const installed = (path: string) => path === '/usr/bin/pkttyagent' || path === 'bin/pkttyagent';

describe('the agent', () => {
  it('is the one in PATH, never one in a relative folder', () => {
    expect(findAgent(atTerminal, installed)).toBe('/usr/bin/pkttyagent');
    expect(findAgent({ ...atTerminal, searchPath: 'bin' }, installed)).toBeNull();
    expect(findAgent({ ...atTerminal, searchPath: undefined }, installed)).toBeNull();
  });

  it.each<[string, Partial<AgentSituation>]>([
    ['for root', { uid: 0 }],
    ['without a terminal to read from', { stdinIsTTY: false }],
    ['without a terminal to write to', { stdoutIsTTY: false }],
  ])('is not wanted %s', (_title, change) => {
    expect(findAgent({ ...atTerminal, ...change }, installed)).toBeNull();
  });
});

describe('a running agent', () => {
  let directory: string;
  let program: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sallyport-agent-'));
    program = join(directory, 'pkttyagent');
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  async function install(...lines: string[]): Promise<void> {
    await writeFile(program, ['#!/bin/sh', ...lines, ''].join('\n'));
    await chmod(program, 0o755);
  }

  it('is awaited until it says that it is registered, and is ended', async () => {
    await install(
      `echo "$@" > '${directory}/arguments'`,
      `trap 'echo ended > "${directory}/end"; exit 0' TERM`,
      'exec 3>&-',
      'while :; do sleep 0.05; done',
    );
    const agent = await startAgent(program);
    expect(await readFile(join(directory, 'arguments'), 'utf8')).toBe(
      `--notify-fd 3 --fallback --process ${String(process.pid)}\n`,
    );
    await agent.stop();
    expect(await readFile(join(directory, 'end'), 'utf8')).toBe('ended\n');
  });

  it('does not outlive a program that a signal ends', async () => {
    await install(`echo $$ > '${directory}/pid'`, 'exec 3>&-', 'while :; do sleep 0.05; done');
    const module = new URL('password-agent.ts', import.meta.url).href;
    const script = `import(${JSON.stringify(module)}).then(async ({ startAgent }) => {
      await startAgent(${JSON.stringify(program)});
      process.kill(process.pid, 'SIGTERM');
      setInterval(() => undefined, 1000);
    });`;
    const child = spawn(process.execPath, ['-e', script], { stdio: 'inherit' });
    const [, signal] = await once(child, 'exit');
    expect(signal).toBe('SIGTERM');
    const pid = Number(await readFile(join(directory, 'pid'), 'utf8'));
    await vi.waitFor(() => {
      expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    }, 3000);
  });

  it.each([
    ['that ends at once', 'exit 1'],
    ['that cannot be started', null],
  ])('%s is in nobody’s way', async (_title, line) => {
    if (line !== null) await install(line);
    const agent = await startAgent(program);
    await expect(agent.stop()).resolves.toBeUndefined();
  });
});
