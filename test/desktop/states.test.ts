import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Configuration } from '@sallyport/shared/protocol/configuration.ts';
import type { SessionSnapshot } from '@sallyport/shared/protocol/session.ts';
import { exampleConfiguration, exampleSession } from '../../app/testing/examples.ts';
import { buildApp } from '../../scripts/build-app.ts';
import { ensureElectron } from '../rig/electron-runtime.ts';
import { waitUntil } from '../rig/wait.ts';
import type {} from './memory/memory-main.ts';
import { DesktopApp } from './rig/desktop-app.ts';
import { startDesktop, type Desktop } from './rig/desktop.ts';
import { expectVisible } from './rig/expect-visible.ts';

/**
 * How every state looks: the unpackaged app over the twin of the endpoint, which can be put into states that a real
 * helper is in for a moment only. Whether the whole works is for `packed.test.ts` to say.
 */

const stack = new AsyncDisposableStack();
let desktop: Desktop;
let folder: string;
let executable: string;

beforeAll(async () => {
  desktop = stack.use(await startDesktop());
  folder = await buildApp({
    output: join(desktop.person.home, 'app'),
    main: fileURLToPath(new URL('memory/memory-main.ts', import.meta.url)),
  });
  ({ executable } = await ensureElectron());
});
afterAll(() => stack.disposeAsync());

const home = exampleConfiguration({ name: 'Home' }, 1);
const office = exampleConfiguration({ name: 'Office Berlin' }, 2);
const cabin = exampleConfiguration({ name: 'Überwachungsstation Nord mit sehr langem Namen am Fjord' }, 3);

const peerSilent = {
  domain: 'VPNError',
  code: 'connectionFailed',
  number: 3,
  message: 'The peer vpn.example.net:51820 did not answer for 60 seconds. Check that its server runs.',
};

async function put(app: DesktopApp, configuration: Configuration): Promise<void> {
  await app.electron.evaluate((_electron, json) => {
    globalThis.memoryClient?.putText(json);
  }, JSON.stringify(configuration));
}

async function setSession(app: DesktopApp, number: number, change: Partial<SessionSnapshot>): Promise<void> {
  await app.electron.evaluate(
    (_electron, json) => {
      globalThis.memoryClient?.setSessionText(json);
    },
    JSON.stringify(exampleSession(change, number)),
  );
}

async function show(app: DesktopApp, name: string): Promise<void> {
  await app.page.getByRole('navigation').getByRole('button', { name }).click();
  await expectVisible(app.page.getByRole('heading', { level: 1, name }));
}

describe.each(['light', 'dark'] as const)('in %s colours', (colorScheme) => {
  let app: DesktopApp;
  /** Keeps a picture of the state, and lets axe look for what keeps people from using it. */
  const examine = async (name: string): Promise<void> => {
    await app.picture(`${name}-${colorScheme}`);
    expect(await app.barriers()).toEqual([]);
  };
  const title = (text: string) =>
    expectVisible(app.page.locator('.connection-title').getByText(text, { exact: true }));

  beforeAll(async () => {
    app = stack.use(
      await DesktopApp.launch({ person: desktop.person, executable, args: [folder], colorScheme }),
    );
  });
  afterAll(() => app[Symbol.asyncDispose]());

  it('tells a newcomer what to do', async () => {
    await expectVisible(app.page.getByRole('heading', { name: 'Add your first tunnel' }));
    expect(await app.page.getByRole('button').allInnerTexts()).toEqual(['Import a configuration…']);
    await examine('empty');
  });

  it('lists tunnels by name', async () => {
    for (const configuration of [office, home, cabin]) await put(app, configuration);
    await expectVisible(app.page.getByRole('navigation', { name: 'Tunnels' }));
    await expect
      .poll(() => app.page.locator('.tunnel-name').allInnerTexts())
      .toEqual([home.name, office.name, cabin.name]);
    await title('Not connected');
    await examine('disconnected');
  });

  it('shows a session from connecting to connected, with its traffic', async () => {
    await app.page.getByRole('button', { name: 'Connect', exact: true }).click();
    await title('Connecting…');
    await title('Connected');
    const received = app.page.getByRole('region', { name: 'Transfer' });
    await waitUntil('traffic is counted', async () => (await received.innerText()).includes('MB/s'), 20_000);
    await app.page.waitForTimeout(6000);
    await examine('connected');
  });

  it('says why a start failed', async () => {
    const lastEnd = { reason: 'connectionFailed', error: peerSilent, at: Date.now() - 65_000 } as const;
    await setSession(app, 2, { status: 'disconnected', lastEnd });
    await show(app, office.name);
    await title('Could not connect');
    await expectVisible(app.page.getByText('did not answer for 60 seconds'));
    await expectVisible(app.page.getByRole('button', { name: 'Try again' }));
    await examine('failed');
  });

  it('counts down to the next attempt, and can be told to stop trying', async () => {
    const lastEnd = { reason: 'connectionFailed', error: peerSilent, at: Date.now() } as const;
    await setSession(app, 2, { status: 'disconnected', nextAttemptDate: Date.now() + 8500, lastEnd });
    await title('Waiting to try again');
    await expectVisible(app.page.getByText(/Next attempt in [678] s\./));
    await expectVisible(app.page.getByText('did not answer for 60 seconds'));
    await examine('waiting');
    await app.page.getByRole('button', { name: 'Cancel', exact: true }).click();
    await title('Could not connect');
    await expectVisible(app.page.getByRole('button', { name: 'Try again' }));
  });

  it('shows that a tunnel is being mended', async () => {
    const reasserting = {
      status: 'reasserting',
      statusReason: 'The network changed.',
      nextAttemptDate: null,
      connectedDate: Date.now() - 3_700_000,
    } as const;
    await setSession(app, 2, reasserting);
    await title('Reconnecting…');
    await expectVisible(app.page.getByText('The network changed.'));
    await examine('reasserting');
  });

  it('asks before one tunnel takes the place of another', async () => {
    await setSession(app, 2, {
      status: 'disconnected',
      statusReason: null,
      connectedDate: null,
      lastEnd: null,
    });
    await app.electron.evaluate(() => {
      if (globalThis.memoryClient !== undefined) globalThis.memoryClient.conflicts = true;
    });
    await app.page.getByRole('button', { name: 'Connect', exact: true }).click();
    const dialog = app.page.getByRole('dialog', { name: 'Switch from Home to Office Berlin?' });
    await expectVisible(dialog);
    await examine('conflict');
    await dialog.getByRole('button', { name: 'Disconnect Home and connect' }).click();
    await title('Connected');
    await expectVisible(
      app.page
        .getByRole('navigation')
        .getByText(home.protocolConfiguration.serverAddress ?? '')
        .first(),
    );
  });

  it('renames in place and says why a name is refused', async () => {
    await app.page.getByRole('button', { name: 'Rename' }).click();
    await app.page.getByRole('textbox', { name: 'Name of the tunnel' }).fill('a/b');
    await app.page.keyboard.press('Enter');
    await expectVisible(app.page.getByRole('alert').getByText('The name contains a slash. Choose another.'));
    await examine('rename');
    await app.page.getByRole('textbox').fill('Office');
    await app.page.keyboard.press('Enter');
    await expectVisible(app.page.getByRole('heading', { level: 1, name: 'Office' }));
  });

  it('asks before it removes, and gives the focus back', async () => {
    const remove = app.page.getByRole('button', { name: 'Remove' });
    await remove.click();
    const dialog = app.page.getByRole('dialog', { name: 'Remove Office?' });
    await expectVisible(dialog.getByText('It is disconnected first.'));
    await examine('remove');
    await app.page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    expect(await app.page.evaluate(`document.activeElement.textContent`)).toBe('Remove');
    await remove.click();
    await dialog.getByRole('button', { name: 'Remove' }).click();
    await dialog.waitFor({ state: 'detached' });
    await waitUntil('it is gone', async () => (await app.page.locator('.tunnel-name').count()) === 2);
  });

  it('moves through the list with the arrow keys', async () => {
    const list = app.page.getByRole('navigation', { name: 'Tunnels' });
    await list.getByRole('button').first().focus();
    await app.page.keyboard.press('ArrowDown');
    await app.page.keyboard.press('Enter');
    await expectVisible(app.page.getByRole('heading', { level: 1, name: cabin.name }));
    await examine('keyboard');
  });

  it('opens the file chooser by Ctrl+O', async () => {
    const chooser = app.page.waitForEvent('filechooser');
    await app.page.keyboard.press('Control+o');
    const broken = { name: 'chosen.conf', mimeType: 'text/plain', buffer: Buffer.from('nonsense') };
    await (await chooser).setFiles(broken);
    const dialog = app.page.getByRole('dialog', { name: 'chosen.conf was not imported' });
    await expectVisible(dialog.getByText('Line 1'));
    await app.page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  });

  it('says that the extension is away, and recovers by itself', async () => {
    await app.electron.evaluate(() => {
      globalThis.memoryClient?.setReachable(false);
    });
    await expectVisible(app.page.getByRole('heading', { name: 'The extension is not active' }));
    await examine('unreachable');
    await app.electron.evaluate(() => {
      globalThis.memoryClient?.setReachable(true);
    });
    await expectVisible(app.page.getByRole('heading', { level: 1, name: cabin.name }));
  });

  it('tells an observer what may be seen, and what to do', async () => {
    const reconnectAs = (role: 'observer' | 'administrator') =>
      app.electron.evaluate((_electron, wanted) => {
        if (globalThis.memoryClient === undefined) return;
        globalThis.memoryClient.role = wanted;
        globalThis.memoryClient.reopen();
      }, role);
    await reconnectAs('observer');
    await expectVisible(app.page.getByRole('heading', { name: 'You may not use tunnels here' }));
    await expectVisible(app.page.getByText('Sign in at this computer itself'));
    await examine('observer');
    await reconnectAs('administrator');
    await expectVisible(app.page.getByRole('heading', { level: 1, name: cabin.name }));
  });

  it('breaks no rule of its page’s policy', () => {
    expect(app.complaints).toEqual([]);
  });
});
