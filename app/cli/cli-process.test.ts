import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeHelper, serverNotResponding } from '@sallyport/shared/client/testing/fake-helper.ts';
import { sampleConf } from '@sallyport/shared/client/testing/sample-conf.ts';
import { EndpointError } from '@sallyport/shared/protocol/errors.ts';

const main = fileURLToPath(new URL('main.ts', import.meta.url));

let helper: FakeHelper;
let directory: string;
let confFile: string;

beforeEach(async () => {
  helper = await FakeHelper.start();
  directory = await mkdtemp(join(tmpdir(), 'sallyport-cli-'));
  confFile = join(directory, 'home.conf');
  await writeFile(confFile, sampleConf);
});
afterEach(async () => {
  await helper.close();
  await rm(directory, { recursive: true });
});

interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}

interface Running {
  readonly result: Promise<Result>;
  readonly out: () => string;
  readonly interrupt: () => void;
}

/** Starts the real program as a process of its own. */
function start(words: readonly string[], input = '', endpoint = helper.endpoint.path): Running {
  const child = spawn(process.execPath, [main, ...words], {
    env: { PATH: process.env['PATH'], SALLYPORT_ENDPOINT: endpoint },
  });
  let out = '';
  let error = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (error += chunk.toString()));
  child.stdin.end(input);
  const result = new Promise<Result>((resolve) => {
    child.once('close', (code) => {
      resolve({ code, out, error });
    });
  });
  return { result, out: () => out, interrupt: () => child.kill('SIGINT') };
}

function sallyport(...words: string[]): Promise<Result> {
  return start(words).result;
}

describe('the process ends with', () => {
  it('0 when all is done', async () => {
    expect(await sallyport('import', confFile)).toMatchObject({ code: 0, error: '' });
    expect(await sallyport('connect', 'home')).toEqual({ code: 0, out: '“home” is connected.\n', error: '' });
    expect(await sallyport('list', '--names')).toEqual({ code: 0, out: 'home\n', error: '' });
  });

  it('0 when a file comes in on standard input', async () => {
    expect(await start(['import', '-', '--name', 'piped'], sampleConf).result).toMatchObject({
      code: 0,
      error: '',
    });
    expect([...helper.configurations.values()]).toMatchObject([{ name: 'piped' }]);
  });

  it('1 when it failed, with the reason in one line', async () => {
    await sallyport('import', confFile);
    helper.startPlan = { kind: 'fail', error: serverNotResponding() };
    const reason = 'sallyport: The server did not answer. Check its address.\n';
    expect(await sallyport('connect', 'home')).toEqual({ code: 1, out: '', error: reason });
  });

  it('2 when the command line is wrong', async () => {
    expect(await sallyport('dance')).toMatchObject({ code: 2, out: '' });
  });

  it('3 when it is not allowed', async () => {
    helper.refusal = new EndpointError('accessDenied', 'An administrator did not approve.');
    const result = await sallyport('import', confFile);
    expect(result).toEqual({ code: 3, out: '', error: 'sallyport: An administrator did not approve.\n' });
  });

  it('4 when the helper cannot be reached, with the remedy', async () => {
    await helper.endpoint.pause();
    expect(await sallyport('list')).toMatchObject({
      code: 4,
      out: '',
      error: expect.stringContaining('npm start'),
    });
    const { code, out, error } = await sallyport('list', '--json');
    expect({ code, error }).toEqual({ code: 4, error: '' });
    expect(JSON.parse(out)).toMatchObject({
      error: { domain: 'EndpointError', code: 'notReachable', number: 1 },
    });
  });

  it('4 when what is there cannot be trusted', async () => {
    const { code, error } = await start(['list'], '', directory).result;
    expect(code).toBe(4);
    expect(error).toContain('is not a socket');
  });

  it('5 when its time is over', async () => {
    await sallyport('import', confFile);
    helper.startPlan = { kind: 'hang' };
    expect(await sallyport('connect', 'home', '--wait', '0.2')).toMatchObject({ code: 5, out: '' });
  });
});

it('status --watch ends with 0 at Ctrl-C', async () => {
  await sallyport('import', confFile);
  const watching = start(['status', '--watch']);
  await vi.waitFor(() => {
    expect(watching.out()).toContain('home disconnected');
  }, 5000);
  watching.interrupt();
  expect(await watching.result).toMatchObject({ code: 0, error: '' });
});

it('a reader that has read enough ends the program quietly', async () => {
  for (let count = 0; count < 2000; count += 1) helper.writeLog('info', 'x'.repeat(200));
  const child = spawn(
    'bash',
    ['--norc', '-c', '"$0" "$1" log -n 2000 | head -n 1; echo "${PIPESTATUS[0]}"', process.execPath, main],
    {
      env: { PATH: process.env['PATH'], SALLYPORT_ENDPOINT: helper.endpoint.path },
    },
  );
  let out = '';
  let error = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (error += chunk.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  expect(error).toBe('');
  expect(out.trimEnd().split('\n')).toHaveLength(2);
  expect(out).toMatch(/\n0\n$/);
});
