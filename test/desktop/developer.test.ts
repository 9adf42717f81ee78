import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { developerDirectory } from '@sallyport/shared/manifest/developer-endpoint.ts';
import { buildApp } from '../../scripts/build-app.ts';
import { developerHelperSchema, type DeveloperHelper } from '../../scripts/start/developer-helper-line.ts';
import { ensureElectron } from '../rig/electron-runtime.ts';
import { run } from '../rig/run.ts';
import { DesktopApp } from './rig/desktop-app.ts';
import { startDesktop } from './rig/desktop.ts';
import { expectVisible } from './rig/expect-visible.ts';
import type { Person } from './rig/person.ts';
import { showSource } from './rig/readable-source.ts';

/**
 * What `npm start` opens: the unpackaged app of an ordinary user, against a helper in developer mode that the same
 * user started, in namespaces of its own.
 */

const stack = new AsyncDisposableStack();
let person: Person;
let helper: ChildProcess;
let facts: DeveloperHelper;
let app: DesktopApp;

/** The whole title: “Not connected” is none that says “Connected”. */
const title = (text: string) =>
  expectVisible(app.page.locator('.connection-title').getByText(text, { exact: true }));
const button = (name: string) => app.page.getByRole('button', { name, exact: true });

beforeAll(async () => {
  ({ person } = stack.use(await startDesktop()));
  stack.defer(() => rm(developerDirectory(person.uid), { recursive: true, force: true }));
  const source = stack.use(await showSource());
  const [program, ...words] = person.command(
    source.node,
    source.path('test/desktop/rig/developer-helper.ts'),
  );
  helper = spawn(program, words, {
    env: { ...person.environment, ...source.environment },
    cwd: person.home,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  stack.defer(async () => {
    if (helper.exitCode !== null || helper.signalCode !== null) return;
    const ended = once(helper, 'exit');
    helper.stdin?.end();
    await ended;
  });
  if (helper.stdout === null) throw new Error('The helper has no standard output.');
  const [line] = await Promise.race([
    once(createInterface({ input: helper.stdout }), 'line'),
    once(helper, 'exit').then(() => Promise.reject(new Error('The developer-mode helper did not start.'))),
  ]);
  facts = developerHelperSchema.parse(JSON.parse(String(line)));
  const folder = await buildApp({ output: `${person.home}/app` });
  const { executable } = await ensureElectron();
  const environment = { SALLYPORT_ENDPOINT: facts.ready };
  app = stack.use(await DesktopApp.launch({ person, executable, args: [folder], environment }));
});

afterAll(() => stack.disposeAsync());

describe('[A10] the app of a source tree', () => {
  it('finds the helper of its own user and says that this is developer mode', async () => {
    expect(facts.ready.startsWith(developerDirectory(person.uid))).toBe(true);
    await expectVisible(app.page.getByRole('heading', { name: 'Add your first tunnel' }));
  });

  it('imports the sample, connects and counts its traffic', async () => {
    await app.drop({ name: basename(facts.sample), text: await readFile(facts.sample, 'utf8') });
    await expectVisible(app.page.getByRole('heading', { level: 1, name: 'demo' }));
    await expectVisible(app.page.getByText('Developer mode'));
    await button('Connect').click();
    await title('Connected');
    await expect
      .poll(() => app.page.locator('.tunnel-facts').innerText(), { timeout: 10_000 })
      .toMatch(/Latest handshake\s+(just now|\d+ seconds? ago)/);
    await app.page.waitForTimeout(3000);
    await app.picture('developer-connected');
    expect(await app.barriers()).toEqual([]);
  });

  it('leaves the network of everyone else as it is', async () => {
    expect(await run('ip', ['-o', 'link', 'show', 'type', 'tun'])).toBe('');
    await button('Disconnect').click();
    await title('Not connected');
  });

  it('notices that the helper ended', async () => {
    const ended = once(helper, 'exit');
    helper.stdin?.end();
    await ended;
    await expectVisible(app.page.getByRole('heading', { name: 'The extension is not active' }));
    await expectVisible(app.page.getByText('npm start runs the app together with a helper'));
  });
});
